"""Similarities demo: the table behind a contrastive loss, as the paper's loss reads it.

The logits are not computed here: the paper's own loss is run, and what it hands to the
cross-entropy is what is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from demos.drawing import bars, matrices
from demos.drawing.bars import Bar
from demos.drawing.matrices import Matrix
from demos.pieces import contrast, embedding, pets
from demos.pieces.questions import Questions
from demos.scene import Numbers, Scene

COMPARED = {
    "trained": "Compared by a linear map on top of {name}, trained for {steps} steps "
               "with this very loss on {lessons} other views of each of these six "
               "pictures. So it knows these six and little else.",
    "encoder": "Compared by {name}, which was never trained with this loss and goes by "
               "light and colour.",
    "pixels": "Compared by plain pixels; no network takes part.",
}


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """One row large, then the whole table of probabilities and of cosines."""
    seen = scene.stage("views", lambda: contrast.two_views(scene))
    table = asked(scene, {name: torch.from_numpy(a) for name, a in seen.items()})
    scene.recorder.progress(1, 2, "Drawing the tables")
    draw_row(scene, table)
    draw_table(scene, table)
    draw_cosines(scene, table)
    scene.recorder.arrays(
        "table", "Rows are anchors, columns candidates: cosines, softmax shares, each "
        "row's right column and its loss.", cosines=table.cosines, shares=table.shares,
        right=table.right, losses=table.losses,
    )
    scene.recorder.progress(2, 2, "Done")
    return measure(table)


# What the loss makes of it


@dataclass(frozen=True)
class Table:
    """The loss's first question: anchors (rows) among candidates (columns)."""

    cosines: np.ndarray  # (A, C), -inf where an anchor is not compared
    shares: np.ndarray   # (A, C), softmax at the temperature; rows sum to 1
    right: np.ndarray    # (A,): each anchor's right column
    loss: float          # as the paper's function returns it
    rows: list[Image.Image]
    columns: list[Image.Image]
    anchor: str          # what a row is

    @property
    def losses(self) -> np.ndarray:
        """Minus the logarithm of the right share, (A,)."""
        return -np.log(self.shares[np.arange(len(self.right)), self.right])

    @property
    def positive(self) -> np.ndarray:
        """(A, C), True at each anchor's right column."""
        return np.arange(self.cosines.shape[1]) == self.right[:, None]


def asked(scene: Scene, seen: dict[str, Tensor]) -> Table:
    """Run the paper's loss and keep its question."""
    temperature, kind = float(scene.options["temperature"]), scene.options["features"]
    z1, z2 = seen[str(kind)].chunk(2)                            # (B, D)
    pool = seen[f"{kind}_pool"]                                  # (K, D)
    with Questions() as questions:
        loss = contrast.paper_loss(scene.module, z1, z2, pool, temperature)
    logits, right = questions.asked[0]                           # (A, C), (A,)
    first, second = (embedding.thumbnails(v) for v in seen["views"].chunk(2))
    rows, columns, anchor = first, second, "first views"
    if len(logits) == 2 * len(z1):
        rows = columns = [*first, *second]
        anchor = "views"
    elif hasattr(scene.module, "nearest_neighbours"):
        near = seen["rest"][scene.module.nearest_neighbours(z1, pool)]
        rows, anchor = [pets.pictures()[n] for n in near], "neighbours of first views"
    return Table(
        (logits * temperature).numpy(), logits.softmax(1).numpy(), right.numpy(),
        float(loss), rows, columns, anchor,
    )


def measure(table: Table) -> Numbers:
    """The loss, and how positives and negatives lie."""
    others = ~table.positive & np.isfinite(table.cosines)
    return {
        "loss_of_the_paper": round(table.loss, 4),
        "mean_loss_of_these_rows": round(float(table.losses.mean()), 4),
        "rows_where_the_right_one_is_closest": int(
            (table.cosines.argmax(1) == table.right).sum()
        ),
        "rows": len(table.right),
        "mean_cosine_of_positives": mean(table.cosines[table.positive]),
        "mean_cosine_of_negatives": mean(table.cosines[others]),
    }


def mean(values: np.ndarray) -> float:
    """The mean to three digits."""
    return round(float(values.mean()), 3)


# Pictures


def draw_row(scene: Scene, table: Table) -> None:
    """The first anchor's candidates, the likeliest first."""
    shares, cosines, right = table.shares[0], table.cosines[0], int(table.right[0])
    order = [int(n) for n in (-shares).argsort() if np.isfinite(cosines[n])]
    lines = [
        Bar(
            table.columns[n],
            f"cosine {cosines[n]:.2f}" + ", the right one" * (n == right),
            (float(shares[n]),), n == right,
        )
        for n in order
    ]
    place = order.index(right) + 1
    scene.recorder.picture(
        "row", bars.headed([table.rows[0]], bars.drawn(lines, ("share",), 1.0)),
        f"Above, {anchor_of(table)}; below, every candidate for “the other view of the "
        f"same picture”, with its share of the softmax at temperature "
        f"{scene.options['temperature']:g}. The right one, framed green, comes "
        f"{ordinal(place)} of {len(order)} with {100 * shares[right]:.0f} %. "
        f"{told(scene)}",
        f"Bars for {len(order)} candidates; the right one is {ordinal(place)} with a "
        f"share of {shares[right]:.2f}.",
    )


def draw_table(scene: Scene, table: Table) -> None:
    """All softmax rows, each with its loss."""
    shown = Matrix(
        table.shares, table.rows, table.columns, framed=table.positive,
        empty=~np.isfinite(table.cosines), heading="loss",
        beside=[f"{value:.2f}" for value in table.losses],
        across="candidates", down=table.anchor,
    )
    wins = int((table.cosines.argmax(1) == table.right).sum())
    scene.recorder.picture(
        "shares", matrices.drawn(shown),
        f"The softmax of every row at temperature {scene.options['temperature']:g}: "
        f"dark is 0, pale 1, a row sums to 1. Green frames: the other view of the same "
        f"picture. A row's loss is minus the logarithm of its framed cell; their mean "
        f"is {table.losses.mean():.2f}, guessing would give "
        f"{np.log(np.isfinite(table.cosines[0]).sum()):.2f}. The framed cell wins in "
        f"{wins} of {len(table.right)} rows. {told(scene)} {pets.CREDIT}",
        f"Matrix of {len(table.rows)} by {len(table.columns)} softmax shares; mean "
        f"loss {table.losses.mean():.2f}.",
    )


def draw_cosines(scene: Scene, table: Table) -> None:
    """The cosines, before any temperature."""
    shown = Matrix(
        table.cosines, table.rows, table.columns, low=-1.0, framed=table.positive,
        empty=~np.isfinite(table.cosines), across="candidates", down=table.anchor,
    )
    scene.recorder.picture(
        "cosines", matrices.drawn(shown),
        "The same table before temperature and softmax: cosines, blue below zero, "
        "orange above, of vectors with the batch's mean taken off. Orange outside the "
        "frames are negatives that look alike: the loss pushes them apart even where "
        "they show the same kind of animal.",
        f"Matrix of cosines; positives {table.cosines[table.positive].mean():.2f} on "
        "average.",
    )


def told(scene: Scene) -> str:
    """By what the views were compared."""
    return COMPARED[str(scene.options["features"])].format(
        name=scene.loaded.card.name, steps=contrast.STEPS, lessons=2 * contrast.LESSONS
    )


def anchor_of(table: Table) -> str:
    """The first row in words."""
    if table.anchor.startswith("neighbours"):
        return "the gallery picture nearest to a view of yours, which stands in for it"
    return "a random view of your picture"


def ordinal(place: int) -> str:
    """1 as first, 4 as 4th."""
    return {1: "first", 2: "second", 3: "third"}.get(place, f"{place}th")
