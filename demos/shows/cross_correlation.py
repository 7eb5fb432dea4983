"""Cross-correlation demo: a small head learns, and C turns into the identity, live.

The encoder is frozen and reads each view once; head, matrix and loss are the paper's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from demos.drawing import curves, matrices
from demos.drawing.matrices import Matrix
from demos.drawing.pictures import sheet
from demos.listening import listening
from demos.pieces import embedding, pets
from demos.pieces.miniature import random_crops
from demos.results import Artifact
from demos.scene import Numbers, Scene

PAIRS, KEPT = 64, 32      # crops in two views each: to learn from, and kept back
CROP = (0.25, 0.6)        # side of a crop, in short sides of the picture
GRID = 6                  # patches a side that the encoder looks at: quick, and enough
FEATURES, HIDDEN = 12, 64
LEARNING_RATE = 1e-3
LOOKS, PACE = 8, 4  # partial pictures, and steps between two reports
TILE = 40           # pixels of a cell where there are two matrices

ON, OFF = "on the diagonal", "off the diagonal"


@dataclass
class Training:
    """A head under way."""

    head: nn.Module
    views: Tensor                  # (2, PAIRS, D), the encoder's vectors
    kept: Tensor                   # (2, KEPT, D), of pairs that nothing is learnt from
    optimiser: torch.optim.Optimizer
    series: dict[str, list[tuple[int, float]]] = field(
        default_factory=lambda: {ON: [], OFF: []}
    )


def show(scene: Scene) -> Numbers:
    """Train the head on all pairs at once; the matrix before and after on record."""
    steps = int(scene.options["steps"])
    seen = scene.stage("views", lambda: pairs(scene))
    with torch.random.fork_rng():
        torch.manual_seed(int(scene.options["seed"]))
        training = prepare(scene, seen)
        before = matrix(scene, training, training.views)
        for step in range(steps):
            advance(scene, training, step, steps)
    after = matrix(scene, training, training.views)
    unseen = matrix(scene, training, training.kept)
    on, off = parts(scene, after)
    training.series[ON].append((steps, on))
    training.series[OFF].append((steps, off))
    draw_both(scene, (before.numpy(), after.numpy()), steps)
    draw_unseen(scene, unseen.numpy())
    draw_end(scene, training, after.numpy(), steps)
    scene.recorder.arrays(
        "matrices", "C before, after, and on pairs kept back; and the parts of the "
        "loss as (step, value).", before=before.numpy(), after=after.numpy(),
        unseen=unseen.numpy(), on=np.array(training.series[ON]),
        off=np.array(training.series[OFF]),
    )
    scene.recorder.progress(steps, steps, "Done")
    return {
        "steps": steps,
        "on_diagonal_before": training.series[ON][0][1], "on_diagonal": round(on, 4),
        "off_diagonal_before": training.series[OFF][0][1],
        "off_diagonal": round(off, 4),
        "loss": round(on + float(scene.options["lambd"]) * off, 4),
        "mean_diagonal_unseen": round(float(unseen.diagonal().mean()), 3),
        "chance_off_diagonal": round(FEATURES * (FEATURES - 1) / PAIRS, 2),
    }


@torch.no_grad()
def pairs(scene: Scene) -> dict[str, np.ndarray]:
    """The expensive stage: crops of the picture, two views of each, as vectors.

    A crop stands for an image: two views have something in common that others have not.
    """
    scene.recorder.progress(0, int(scene.options["steps"]), "Reading crops in pairs")
    seed = int(scene.options["seed"])
    crops = random_crops(scene.picture, PAIRS + KEPT, pets.SIDE, seed, CROP)
    made = scene.module.views(crops, torch.Generator().manual_seed(seed))
    encode = embedding.encoder(scene.loaded, scene.device, GRID)
    with listening(scene.loaded.model, scene.recorder.alive):
        read = [
            embedding.embedded(embedding.as_pixels(view), encode, scene)
            for view in made
        ]
    return {"views": torch.stack(read).numpy()}             # (2, PAIRS + KEPT, D)


def prepare(scene: Scene, seen: dict[str, np.ndarray]) -> Training:
    """The paper's projector, small, from random weights."""
    views, kept = torch.from_numpy(seen["views"]).split([PAIRS, KEPT], dim=1)
    head = scene.module.projector(views.shape[-1], HIDDEN, FEATURES)
    optimiser = torch.optim.AdamW(head.parameters(), lr=LEARNING_RATE)
    return Training(head, views, kept, optimiser)


def matrix(scene: Scene, training: Training, views: Tensor) -> Tensor:
    """C of these pairs as the head is now, (FEATURES, FEATURES)."""
    z1, z2 = (training.head(view) for view in views)
    return scene.module.cross_correlation(z1, z2).detach()


def parts(scene: Scene, c: Tensor) -> tuple[float, float]:
    """The loss's two sums, without lambda: (1 - C_ii)^2, and C_ij^2 elsewhere."""
    on, both = (float(scene.module.redundancy_reduction(c, w)) for w in (0.0, 1.0))
    return on, both - on


def advance(scene: Scene, training: Training, step: int, steps: int) -> None:
    """One update of the head, and now and then a word about it."""
    z1, z2 = (training.head(view) for view in training.views)
    c = scene.module.cross_correlation(z1, z2)
    loss = scene.module.redundancy_reduction(c, float(scene.options["lambd"]))
    training.optimiser.zero_grad()
    loss.backward()
    training.optimiser.step()
    if step % PACE:
        scene.recorder.alive()
        return
    new = {}
    for name, value in zip((ON, OFF), parts(scene, c.detach()), strict=True):
        new[name] = [(step, round(value, 4))]
        training.series[name] += new[name]
    look = step % (max(1, steps // LOOKS // PACE) * PACE) == 0
    artifact = draw_look(scene, c.detach().numpy(), step) if look else None
    message = f"Step {step} of {steps}: loss {loss.item():.3f}"
    scene.recorder.progress(step, steps, message, new, artifact)


# Pictures


def table(c: np.ndarray) -> Matrix:
    """C as it is drawn: the diagonal framed, feature numbers along the sides."""
    names = [str(n + 1) for n in range(len(c))]
    return Matrix(
        c, names, names, low=-1.0, framed=np.eye(len(c), dtype=bool),
        across="features of the second view", down="features of the first view",
    )


def draw_look(scene: Scene, c: np.ndarray, step: int) -> Artifact:
    """The matrix in the middle of training, as a partial picture."""
    drawn = matrices.drawn(table(c), cell=TILE, numbers=False)
    caption = f"The matrix after {step} steps: blue is below zero, orange above."
    alt = f"Matrix after {step} steps, mean of the diagonal {np.diag(c).mean():.2f}."
    return scene.recorder.picture(f"step_{step:04}", drawn, caption, alt, partial=True)


def draw_both(scene: Scene, found: tuple[np.ndarray, ...], steps: int) -> None:
    """Before and after, on the pairs that were learnt from."""
    labels = ["before", f"after {steps} steps"]
    tiles = [matrices.drawn(table(c), cell=TILE, numbers=False) for c in found]
    means = [float(np.diag(c).mean()) for c in found]
    said = "mean of the diagonal {:.2f} before, {:.2f} after".format(*means)
    scene.recorder.picture(
        "before_after", sheet(tiles, labels, columns=2),
        f"How each of {FEATURES} features of one view goes with each of the other, "
        f"over two views of {PAIRS} crops of your picture: blue is below zero, orange "
        f"above, {said}. On the diagonal (green) a feature meets itself and should "
        "agree; elsewhere different features meet and should not repeat each other.",
        f"Two matrices, {said}.",
    )


def draw_unseen(scene: Scene, c: np.ndarray) -> None:
    """The same head on crops that it has not learnt from."""
    mean = float(np.diag(c).mean())
    scene.recorder.picture(
        "other_crops", matrices.drawn(table(c)),
        f"The same head on {KEPT} crops kept back, mean of the diagonal {mean:.2f}. "
        "What is below 1 here but not above was learnt by heart: a few seconds on one "
        "picture are no training.",
        f"Matrix on other crops, mean of the diagonal {mean:.2f}.",
    )


def draw_end(scene: Scene, training: Training, after: np.ndarray, steps: int) -> None:
    """The last matrix with its numbers, and the two parts of the loss."""
    scene.recorder.picture(
        "matrix", matrices.drawn(table(after)),
        f"The matrix after {steps} steps with its numbers. Perfect would be 1 on the "
        "diagonal and 0 elsewhere.",
        f"Matrix of {FEATURES} by {FEATURES} correlations, mean of the diagonal "
        f"{np.diag(after).mean():.2f}.",
    )
    first, last = ({n: p[i][1] for n, p in training.series.items()} for i in (0, -1))
    scene.recorder.picture(
        "curves", curves.curves(training.series),
        f"The two parts of the loss, step by step, before lambda = "
        f"{scene.options['lambd']:g} weighs the second. By mere chance {PAIRS} pairs "
        f"would leave {FEATURES * (FEATURES - 1) / PAIRS:.1f} off the diagonal.",
        f"Curves: on the diagonal {first[ON]:.2f} to {last[ON]:.2f}, off the diagonal "
        f"{first[OFF]:.2f} to {last[OFF]:.2f}.",
    )
