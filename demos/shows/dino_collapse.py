"""DINO's two collapses: without centring one prototype, without sharpening none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from torch import Tensor

from demos.pieces import collapse
from demos.pieces.collapse import Lab, Trial
from demos.scene import Numbers, Scene

WEIGHTS = collapse.WEIGHTS
LEARNING_RATE = 5e-4
K, LOCAL = 64, 2            # prototypes; local crops
# A tiny network's answers lie close together, so it takes a colder teacher and a
# quicker centre than the paper's to keep them apart for a hundred steps.
COLD, CENTRE, SLOW = 0.02, 0.8, 0.99
USED, EACH = "prototypes used", "prototypes per target"
AXES = {
    USED: f"prototypes that the teacher uses, of {K}",
    EACH: f"prototypes that one target spreads over, of {K}",
    **collapse.AXES,
}


def show(scene: Scene) -> Numbers:
    """Train DINO with and without the chosen parts."""
    dino = scene.module

    def make(way: Mapping) -> Trial:
        warm = COLD if way["sharpening"] else dino.TINY.student_temp
        model = dino.build(replace(
            dino.TINY, **collapse.SMALL, hidden=128, bottleneck=32, out_dim=K,
            n_local=LOCAL, warmup_teacher_temp=warm, teacher_temp=warm,
            center_momentum=CENTRE if way["centring"] else 1.0, base_momentum=SLOW,
            norm_last_layer=True,
        ))

        def loss(views: Sequence[Tensor], step: int, steps: int) -> tuple[Tensor, dict]:
            found, watched = dino.training_step(model, views, step, steps)
            return found, {USED: watched["used"], EACH: watched["spread"]}

        def settle(step: int, steps: int) -> None:
            if way["target"] == "an average":
                dino.after_step(model, step, steps)
            else:
                collapse.follow(model.teacher, model.student, str(way["target"]), 0.0)

        def targets(x: Tensor) -> Tensor:
            """What the teacher wants said of each picture, (N, K)."""
            return dino.teacher_targets(model.teacher([x]), model.loss.center, warm)

        update = collapse.optimiser(model.student, LEARNING_RATE, way)
        return Trial(model, update, loss, targets, settle)

    views = partial(dino.views, n_local=LOCAL)
    return collapse.run(scene, Lab(make, views, verdict, AXES))


def verdict(trial: Trial) -> str:
    """How it ended, in words."""
    used, each = trial.last(USED), trial.last(EACH)
    if used < 2:
        return f"collapsed, one prototype takes every picture ({used:.1f} used)"
    if each > 0.9 * K:
        return f"collapsed, each target spreads over {each:.0f} of {K} and says nothing"
    return f"{used:.0f} of {K} prototypes used, {each:.0f} by one target"
