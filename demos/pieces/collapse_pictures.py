"""The collapse lab's pictures: curves of each quantity, and who resembles whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from demos.drawing import matrices, pictures
from demos.drawing.plots import Axis, plot
from demos.pieces import pets
from demos.scene import Scene

if TYPE_CHECKING:
    from demos.pieces.collapse import Lab, Trial

SHOWN = (0, 7, 14, 32, 39, 46, 64, 71)  # pets of the matrix, of all three breeds


def draw(scene: Scene, lab: Lab, trials: Mapping[str, Trial], note: str) -> None:
    """A plot of each quantity, and the similarities of eight pets at the end.

    note: goes behind how it ended.
    """
    said = " ".join(
        f"{name.capitalize()}: {lab.verdict(trial)}." for name, trial in trials.items()
    )
    for nth, (quantity, title) in enumerate(lab.axes.items()):
        shown = {name: trial.series[quantity] for name, trial in trials.items()}
        ends = "; ".join(
            f"{name} from {points[0][1]:.2f} to {points[-1][1]:.2f}"
            for name, points in shown.items()
        )
        words = f"{title[0].upper()}{title[1:]}, step by step"
        scene.recorder.picture(
            quantity.replace(" ", "_"), plot(shown, Axis("step"), Axis(title)),
            f"{words}. {said} {note}" if nth == 0 else f"{words}: {ends}.",
            f"Curves of {title}: {ends}.",
        )
    draw_answers(scene, trials)
    arrays = {
        f"{quantity}_{nth}".replace(" ", "_"): torch.tensor(points).numpy()
        for nth, trial in enumerate(trials.values())
        for quantity, points in trial.series.items()
    }
    order = "; ".join(f"{nth}: {name}" for nth, name in enumerate(trials))
    scene.recorder.arrays("series", f"Every curve as (step, value). {order}.", **arrays)


def draw_answers(scene: Scene, trials: Mapping[str, Trial]) -> None:
    """Cosines between the answers to eight pets, a matrix for each trial."""
    small = [pets.pictures()[n] for n in SHOWN]
    tables, means = [], []
    for trial in trials.values():
        z = trial.directions()[list(SHOWN)]
        cosine = z @ z.T
        others = ~torch.eye(len(z), dtype=torch.bool)
        means.append(f"{cosine[others].mean():.2f}")
        matrix = matrices.Matrix(cosine.numpy(), small, small, low=-1)
        tables.append(matrices.drawn(matrix))
    mean = " and ".join(means)
    scene.recorder.picture(
        "answers", pictures.sheet(tables, list(trials), columns=1),
        f"Cosine between the answers to eight pets at the end, on average {mean} "
        "between different ones. 1 everywhere means that the network says the same of "
        f"every picture. {pets.CREDIT}",
        f"Tables of cosines between eight pets, on average {mean}.",
    )
