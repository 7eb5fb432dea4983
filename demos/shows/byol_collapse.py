"""BYOL's collapse lab: stop-gradient, predictor, slow target, batch norm, decay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor, nn

from demos.pieces import collapse
from demos.pieces.collapse import Lab, Trial
from demos.scene import Numbers, Scene

WEIGHTS = collapse.WEIGHTS
LEARNING_RATE = 5e-4


def show(scene: Scene) -> Numbers:
    """Train BYOL with and without the chosen parts."""
    byol = scene.module

    def make(way: Mapping) -> Trial:
        model = byol.build(replace(byol.TINY, **collapse.SMALL, hidden=128))
        if not way["predictor"]:
            model.predictor = nn.Identity()
        if not way["batch_norm"]:
            collapse.without_batch_norm(model)

        def loss(views: Sequence[Tensor], step: int, steps: int) -> tuple[Tensor, dict]:
            if way["stop_gradient"]:
                return byol.byol_loss(*model(*views)), {}
            # Both sides are the online network, and either may give way.
            z1, z2 = model.online(views[0]), model.online(views[1])      # (B, D)
            one = byol.regression_loss(model.predictor(z1), z2)          # (B,)
            return (one + byol.regression_loss(model.predictor(z2), z1)).mean(), {}

        def settle(step: int, steps: int) -> None:
            tau = float(byol.cosine_tau(step, steps, model.base_tau))
            collapse.follow(model.target, model.online, str(way["target"]), tau)

        update = collapse.optimiser(model, LEARNING_RATE, way)
        return Trial(model, update, loss, model.online, settle)

    return collapse.run(scene, Lab(make, byol.views, collapse.by_spread, collapse.AXES))
