"""How much of a query a place says itself, and how close together.

Engines add up what single words are worth. A place that says more of the words, and
says them side by side, is nearer to what was meant than one that repeats a single
word in its name, or only bears another name of the same thing.

The terms of all places stand in one file as numbers, written with the index, so that
a hundred places are compared at once and no text is read again.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kb.search.engine import Entry

# Of a long page no more is read than this; a paper as a whole says everything.
LONGEST = 600
WITHIN = 3  # words from one to the next still count as side by side
LEAST = 0.4  # what is left of a score when nothing of the query is said
TOGETHER = 0.5  # how much is added when all of it is said side by side


class Rows:
    """Numbers in rows of any length; `values` and the `ends` of the rows in them."""

    def __init__(self, values: NDArray[np.int32], ends: NDArray[np.int64]) -> None:
        self.values = values
        self.ends = ends

    def of(
        self, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The values of some rows, one after the other, and whose each value is.

        Owners count the rows that were asked for, from 0.
        """
        starts = np.where(rows > 0, self.ends[rows - 1], 0)
        lengths = self.ends[rows] - starts
        owners = np.repeat(np.arange(len(rows)), lengths)
        before = np.cumsum(lengths) - lengths
        return self.values[np.arange(len(owners)) + (starts - before)[owners]], owners


class Writer:
    """Takes down the terms of entries on their way to an engine."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}
        self._frequency: list[int] = []
        self._rows = {name: (array("i"), array("q")) for name in ("own", "around")}

    def heard(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The same entries; what they say is remembered."""
        for entry in entries:
            own = [*entry.fields["text"], *entry.fields["symbols"]]
            for term in set(own):
                self._frequency[self._numbered(term)] += 1
            self._add("own", own[:LONGEST])
            self._add("around", entry.fields["context"])
            yield entry

    def save(self, file: Path) -> None:
        """Write one file of arrays."""
        columns: dict[str, Any] = {
            f"{name}_{what}": np.array(numbers)
            for name, row in self._rows.items()
            for what, numbers in zip(("values", "ends"), row, strict=True)
        }
        terms = np.frombuffer("\n".join(self._number).encode(), np.uint8)
        frequency = np.array(self._frequency, np.int32)
        with file.open("wb") as opened:
            np.savez(opened, terms=terms, frequency=frequency, **columns)

    def _add(self, name: str, terms: Iterable[str]) -> None:
        values, ends = self._rows[name]
        values.extend(map(self._numbered, terms))
        ends.append(len(values))

    def _numbered(self, term: str) -> int:
        number = self._number.setdefault(term, len(self._number))
        if number == len(self._frequency):
            self._frequency.append(0)
        return number


class Said:
    """What the places of one index say, by the number of the place. Immutable."""

    def __init__(self, file: Path) -> None:
        """Read what a `Writer` saved. Raises ValueError, OSError or KeyError."""
        with np.load(file, allow_pickle=False) as saved:
            terms = saved["terms"].tobytes().decode()
            self._number = {t: n for n, t in enumerate(terms.split("\n"))}
            self._frequency: NDArray[np.int32] = saved["frequency"]
            self._own = Rows(saved["own_values"], saved["own_ends"])
            self._around = Rows(saved["around_values"], saved["around_ends"])

    def factors(
        self, places: NDArray[np.int64], terms: Sequence[str], *, together: bool
    ) -> NDArray[np.float64]:
        """Factors on the scores of places, from LEAST to 1, or more if `together`.

        terms: those of the query in their order, each of them once.
        """
        own, of_own = self._asked(self._own, places, terms)
        around, of_around = self._asked(self._around, places, terms)
        says = np.zeros((len(places), len(terms) + 1), bool)  # the last: any other
        says[of_own, own] = says[of_around, around] = True
        rarity = self._rarity(terms)
        share = says[:, :-1] @ rarity / (rarity.sum() or 1.0)
        factors = LEAST + (1 - LEAST) * share**2
        if together and len(terms) > 1:
            factors += TOGETHER * _together(own, of_own, len(places), len(terms))
        return factors

    def _asked(
        self, rows: Rows, places: NDArray[np.int64], terms: Sequence[str]
    ) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
        """Which of the terms stands at each position of the places; -1: none."""
        which = np.full(len(self._number), -1, np.int8)
        for at, term in enumerate(terms):
            if term in self._number:
                which[self._number[term]] = at
        values, owners = rows.of(places)
        return which[values], owners

    def _rarity(self, terms: Sequence[str]) -> NDArray[np.float64]:
        known = [self._number.get(term) for term in terms]
        counts = [0 if n is None else int(self._frequency[n]) for n in known]
        return np.log(1 + len(self._own.ends) / (np.array(counts) + 0.5))


def _together(
    said: NDArray[np.int8], owners: NDArray[np.int64], places: int, terms: int
) -> NDArray[np.float64]:
    """The share of neighbours in the query that stand so in each place, in order."""
    found = np.zeros((places, terms - 1), bool)
    for gap in range(1, WITHIN + 1):
        first, after = said[:-gap], said[gap:]
        beside = (first >= 0) & (after == first + 1) & (owners[:-gap] == owners[gap:])
        found[owners[:-gap][beside], first[beside]] = True
    return found.mean(axis=1)
