"""Ratios demo: one picture with ever more patches hidden, and how well it is painted.

All shares use one drawing of noise, so what is hidden at a small share is hidden at
every larger one.
"""

from __future__ import annotations

import numpy as np
import torch

from demos.drawing import boards
from demos.drawing.plots import Axis, plot
from demos.intake import images
from demos.pieces.hiding import (
    BLEND,
    MODEL,
    Painted,
    drawn_noise,
    enlarged,
    paint,
    seams,
)
from demos.results import Recorder
from demos.scene import Numbers, Scene
from demos.weights import Loaded

SHOWN = (0.25, 0.5, 0.75, 0.9)
MEASURED = (0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9)
MASKS = 8   # of each share for the curve; the first one is drawn

Curve = dict[str, list[tuple[float, float]]]


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """Paint the picture at every share; four are drawn, all are measured."""
    loaded, recorder = scene.loaded, scene.recorder
    fitted = images.square(scene.picture, loaded.image_side)
    rows, columns = fitted.grid(loaded.patch_size)
    noise = drawn_noise(rows * columns, int(scene.options["seed"]), MASKS)
    drawn: dict[float, Painted] = {}
    curve: Curve = {}
    for step, ratio in enumerate(MEASURED):
        recorder.progress(step, len(MEASURED), f"Hiding {share(ratio)}")
        painted = paint(scene, fitted, ratio, noise)
        for name, score in painted.psnr().items():
            curve.setdefault(name, []).append((100 * ratio, score))
        if ratio in SHOWN:
            drawn[ratio] = painted
    draw_pictures(drawn, loaded, recorder)
    draw_curve(curve, recorder)
    recorder.arrays(
        "ratios", "Pictures (share, 3, height, width) in [0, 1] before clipping, masks "
        "(share, rows, columns), True where hidden, and each curve as (hidden %, dB).",
        pasted=np.stack([one.pasted[0] for one in drawn.values()]),
        mask=np.stack([one.hidden[0] for one in drawn.values()]),
        **{name.replace(" ", "_"): np.array(points) for name, points in curve.items()},
    )
    recorder.progress(len(MEASURED), len(MEASURED), "Done")
    return measure(curve)


def share(ratio: float) -> str:
    """A share in words."""
    return f"{100 * ratio:.0f} %"


def measure(curve: Curve) -> Numbers:
    """PSNR in dB at the shares that are drawn, mean over the masks."""
    return {
        f"psnr_{key}_{percent:.0f}_db": round(score, 2)
        for name, key in ((MODEL, "model"), (BLEND, "blend"))
        for percent, score in curve[name]
        if percent / 100 in SHOWN
    }


# Pictures


def draw_pictures(
    drawn: dict[float, Painted], loaded: Loaded, recorder: Recorder
) -> None:
    """What the model sees above what it makes of it, a column for each share."""
    seen = [one.covered(0) for one in drawn.values()]
    painted = [one.pasted[0] for one in drawn.values()]
    labels = [f"{share(r)} hidden" for r in drawn]
    labels += [f"{one.psnr_of(0)[MODEL]:.1f} dB" for one in drawn.values()]
    scores = ", ".join(labels[len(drawn):])
    shares = ", ".join(share(ratio) for ratio in drawn)
    recorder.picture(
        "ratios",
        boards.board(enlarged(seen + painted), labels, len(drawn)),
        f"Above what the model sees with {shares} of the patches hidden, below the "
        f"hidden ones painted ({scores}, each over its own hidden pixels). Little "
        "hidden is filled in from next door; with most hidden the model has to guess "
        f"what is shown. {seams(loaded)}",
        f"Two rows of pictures: with {shares} of the patches hidden, and painted, "
        f"{scores}.",
    )


def draw_curve(curve: Curve, recorder: Recorder) -> None:
    """How well hidden pixels are painted, by the share that is hidden."""
    ahead = {
        percent: score - blend
        for (percent, score), (_, blend) in zip(curve[MODEL], curve[BLEND], strict=True)
    }
    said = "; ".join(
        f"{name} from {points[0][1]:.1f} dB at {points[0][0]:.0f} % to "
        f"{points[-1][1]:.1f} dB at {points[-1][0]:.0f} %"
        for name, points in curve.items()
    )
    recorder.picture(
        "curve", plot(curve, Axis("hidden, % of patches"), Axis("PSNR, dB")),
        f"How near hidden pixels come to the truth, mean over {MASKS} masks of each "
        "share. The blend knows nothing of pictures: it mixes the colours of the "
        "nearest visible patches. At 25 % hidden the model is "
        f"{ahead[25]:+.1f} dB from it, at 75 % {ahead[75]:+.1f} dB. "
        "That the task gets harder says nothing of "
        "the features learnt by it: the paper chose 75 % because those were best.",
        f"Plot of PSNR over hidden pixels: {said}.",
    )
