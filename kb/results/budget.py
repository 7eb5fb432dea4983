"""`papers/same_budget.csv`: what our own small trainings came to, a row for each.

`python -m demos.train` writes it. Reading never fails: a bad row becomes a Problem.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from kb.catalogue.problems import Problem
from kb.results import sheet
from kb.results.sheet import Cells

# Rows that no training made; what they show, in words.
CONTROLS = {"raw_pixels": "Raw pixels, 16 × 16", "random_start": "Untrained encoder"}
REMEDY = "run python -m demos.train for that method again"
NUMBERS = {
    "core_minutes", "steps", "images", "loss_first", "loss_last", "knn_before",
    "knn_after", "linear_before", "linear_after", "spread", "rank",
}


@dataclass(frozen=True)
class BudgetRow:
    """One training, or one control, whose training cells are empty.

    method: slug of the paper. knn, linear: top-1 in percent. curve: losses at equal
    shares of the budget, divided by blanks. code: hash of what ran. line: in the file.
    """

    method: str
    seed: str
    core_minutes: str
    steps: str
    images: str
    loss_first: str
    loss_last: str
    knn_before: str
    knn_after: str
    linear_before: str
    linear_after: str
    spread: str
    rank: str
    curve: str
    code: str
    date: str
    note: str
    line: int

    @property
    def is_control(self) -> bool:
        return self.method in CONTROLS

    @property
    def knn_gain(self) -> str:
        return _gain(self.knn_before, self.knn_after)

    @property
    def linear_gain(self) -> str:
        return _gain(self.linear_before, self.linear_after)

    @property
    def losses(self) -> list[float]:
        return [float(loss) for loss in self.curve.split()]


COLUMNS = tuple(field.name for field in fields(BudgetRow) if field.name != "line")


@dataclass(frozen=True)
class Budget:
    """The sound rows in the order of the file, and what is wrong with the others."""

    rows: tuple[BudgetRow, ...] = ()
    problems: tuple[Problem, ...] = ()

    def of(self, slug: str) -> BudgetRow | None:
        """A paper's first row."""
        return next((row for row in self.rows if row.method == slug), None)


def budget() -> Budget:
    """The table of the folder in the settings, read again when the file changes."""
    path = settings.PAPERS_DIR / "same_budget.csv"
    if not path.is_file():
        return Budget()
    state = path.stat()
    return _cached(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _cached(path: Path, mtime: int, size: int) -> Budget:
    return read(path)


def read(path: Path) -> Budget:
    """The table in a CSV file whose first line names COLUMNS in any order."""
    filled, problems = sheet.read(path, COLUMNS)
    rows: list[BudgetRow] = []
    for place, cells in filled:
        found = list(_faults(cells))
        problems += [Problem(path, place, message, REMEDY) for message in found]
        if not found:
            rows.append(BudgetRow(**cells, line=place))
    return Budget(tuple(rows), tuple(problems))


def _faults(cells: Cells) -> Iterator[str]:
    """What is wrong with a row."""
    if not cells["method"]:
        yield "no method"
    for name in sorted(NUMBERS):
        if cells[name] and not _is_number(cells[name]):
            yield f"{name} {cells[name]!r} is no number"
    if not all(map(_is_number, cells["curve"].split())):
        yield "the curve is not made of numbers"


def _gain(before: str, after: str) -> str:
    """What training added, with its sign; empty for a control."""
    if not (before and after):
        return ""
    return f"{float(after) - float(before):+.1f}".replace("-", "−")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
