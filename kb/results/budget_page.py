"""What the page of our own trainings shows: the sorted table, and each run's curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kb.results.budget import CONTROLS, BudgetRow
from kb.results.headings import Heading

# Column: title. These sort; the others are told beside the curve.
TITLES = {
    "method": "Method",
    "knn_before": "k-NN before",
    "knn_after": "k-NN after",
    "linear_before": "Linear before",
    "linear_after": "Linear after",
    "loss_first": "Loss at first",
    "loss_last": "Loss at last",
    "spread": "Spread",
    "rank": "Rank",
    "images": "Images seen",
    "steps": "Steps",
    "core_minutes": "Core-minutes",
}
FIRST = "-knn_after"
WIDTH, HEIGHT = 100.0, 40.0  # of a curve's own coordinates
EDGE = 2.0


@dataclass(frozen=True)
class Drawn:
    """One training: its loss as points of an SVG line, and the command behind it."""

    row: BudgetRow
    name: str
    points: str
    told: str
    command: str


def name_of(row: BudgetRow, names: Mapping[str, str]) -> str:
    """What a row is called. names: papers by slug."""
    return CONTROLS.get(row.method) or names.get(row.method, row.method)


def ordered(
    rows: tuple[BudgetRow, ...], sort: str, names: Mapping[str, str]
) -> list[BudgetRow]:
    """By a column, minus for the largest first; rows without a number come last."""
    column, backwards = sort.removeprefix("-"), sort.startswith("-")
    if column == "method":
        named = sorted(rows, key=lambda row: name_of(row, names).lower())
        return named[::-1] if backwards else named
    known = [row for row in rows if getattr(row, column)]
    known.sort(key=lambda row: float(getattr(row, column)), reverse=backwards)
    return known + [row for row in rows if not getattr(row, column)]


def headings(sort: str) -> list[Heading]:
    """The columns, each with the address that sorts by it: numbers largest first."""
    found = []
    for column, title in TITLES.items():
        ways = ["method", "-method"] if column == "method" else [f"-{column}", column]
        query = f"sort={ways[sort == ways[0]]}"
        direction = {column: "ascending", f"-{column}": "descending"}.get(sort, "")
        found.append(Heading(column, title, query, direction))
    return found


def drawn(row: BudgetRow, names: Mapping[str, str]) -> Drawn:
    """A training's curve on its own scale."""
    losses, name = row.losses, name_of(row, names)
    told = f"Loss of {name}: {row.loss_first} at first, {row.loss_last} at last."
    command = (
        f"python -m demos.train {row.method} --minutes {float(row.core_minutes):.0f} "
        f"--seed {row.seed} --data PACK.npz … --judge TRAIN.npz VAL.npz"
    )
    return Drawn(row, name, line(losses), told, command)


def line(losses: list[float]) -> str:
    """Points from left to right, the largest loss on top: `x,y x,y …`."""
    low, high = min(losses), max(losses)
    span, last = (high - low) or 1.0, max(len(losses) - 1, 1)
    return " ".join(
        f"{EDGE + (WIDTH - 2 * EDGE) * i / last:.1f},"
        f"{EDGE + (HEIGHT - 2 * EDGE) * (high - loss) / span:.1f}"
        for i, loss in enumerate(losses)
    )
