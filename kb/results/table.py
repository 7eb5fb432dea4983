"""`papers/results.csv` as rows. Reading never fails: a bad row becomes a Problem."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from kb.catalogue.library import library
from kb.catalogue.problems import Problem
from kb.results import sheet
from kb.results.sheet import Cells

# How far a number was checked, best first.
VERIFIED = {
    "yes": "read in the source",
    "notes": "second-hand: notes, a post, a reprint",
    "no": "from memory, unverified",
}
NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)(?: ± (\d+(?:\.\d+)?))?")
LESS_IS_BETTER = re.compile(r"\b(?:errors?|RMSE|loss|hours|GB)\b")
NEEDED = ("paper", "method", "protocol", "dataset", "metric", "source")


@dataclass(frozen=True)
class Row:
    """One number: who measured what, how and on what, and where it was read.

    paper: slug of the entry that it belongs to, which for a baseline is not the
    method's own. value: as printed, `74.3` or `69.9 ± 0.3`. line: in the file.
    """

    paper: str
    method: str
    backbone: str
    pretraining: str
    protocol: str
    dataset: str
    metric: str
    value: str
    source: str
    verified: str
    line: int

    @property
    def number(self) -> float:
        return float(self.value.partition(" ")[0])

    @property
    def spread(self) -> float:
        """What stands behind ±; 0 where nothing does."""
        return float(self.value.partition("± ")[2] or 0)

    @property
    def goodness(self) -> float:
        """The number, turned round where less is better: errors, time, memory."""
        return -self.number if LESS_IS_BETTER.search(self.metric) else self.number

    @property
    def checked(self) -> str:
        """How far it was verified, in words."""
        return VERIFIED[self.verified]


COLUMNS = tuple(field.name for field in fields(Row) if field.name != "line")


@dataclass(frozen=True)
class Table:
    """The sound rows in the order of the file, and what is wrong with the others."""

    rows: tuple[Row, ...] = ()
    problems: tuple[Problem, ...] = ()


def table() -> Table:
    """The table of the folder in the settings, read again when the file changes."""
    path = settings.PAPERS_DIR / "results.csv"
    if not path.is_file():
        return Table()
    state = path.stat()
    return _cached(path, state.st_mtime_ns, state.st_size)


def published() -> list[Row]:
    """The rows of papers that have an entry, in the order of the file."""
    papers = library().papers
    return [row for row in table().rows if row.paper in papers]


@lru_cache(maxsize=4)
def _cached(path: Path, mtime: int, size: int) -> Table:
    return read(path)


def read(path: Path) -> Table:
    """The table in a CSV file whose first line names COLUMNS in any order."""
    filled, problems = sheet.read(path, COLUMNS)
    rows: dict[tuple[str, ...], Row] = {}
    for line, cells in filled:
        found = list(_faults(cells)) or list(_twice(cells, rows))
        problems += [Problem(path, line, message, remedy) for message, remedy in found]
        if not found:
            texts = {name: cells[name].strip() for name in COLUMNS}
            rows[_key(cells)] = Row(**texts, line=line)
    return Table(tuple(rows.values()), tuple(problems))


def _faults(cells: Cells) -> Iterator[tuple[str, str]]:
    """(message, remedy) of each thing that is wrong with a row by itself."""
    for name in NEEDED:
        if not cells[name].strip():
            yield f"no {name}", f"say the {name}; a number without it cannot be used"
    value, verified = cells["value"].strip(), cells["verified"].strip()
    if not NUMBER.fullmatch(value):
        yield f"value {value!r} is no number", "write it bare: 74.3, or 69.9 ± 0.3"
    if verified not in VERIFIED:
        yield f"verified is {verified!r}", f"write one of {', '.join(VERIFIED)}"


def _twice(
    cells: Cells, rows: dict[tuple[str, ...], Row]
) -> Iterator[tuple[str, str]]:
    first = rows.get(_key(cells))
    if first:
        remedy = "take one away, or say in method or protocol how they differ"
        yield f"the same measurement as line {first.line}", remedy


def _key(cells: Cells) -> tuple[str, ...]:
    """What was measured and where that was read: all but the outcome."""
    return tuple(
        cells[name].strip() for name in COLUMNS if name not in ("value", "verified")
    )
