"""The documents of an index by number, so that many are filtered and counted at once.

Engines answer with numbers. Ten thousand hits are looked through in a millisecond,
and only those of the page that is shown become documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import overload

import numpy as np
from numpy.typing import NDArray

from kb.search.documents import KINDS, Document
from kb.search.facets import passes
from kb.search.language import Filter

Numbers = NDArray[np.int64]
Scores = NDArray[np.float64]

# What a filter of another name looks at.
PROPERTIES = {"author": "authors", "tag": "tags"}


@dataclass(frozen=True)
class Column:
    """One property of all documents: its code by number, an example of each code."""

    codes: NDArray[np.int32]
    examples: list[Document]


class Shelf:
    """All documents of one index, numbered in their order. Immutable once made."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self.documents = tuple(documents)
        self.number = {document.id: n for n, document in enumerate(self.documents)}
        self.hints: Scores = np.array([each.hint for each in self.documents], float)
        self.kinds = np.array([KINDS.index(d.kind) for d in self.documents], np.int64)
        self.column = cache(self._column)

    def __len__(self) -> int:
        return len(self.documents)

    def hits(self, scores: Scores) -> Hits:
        """All documents with a score above 0, best first, equal ones in their order.

        scores: one for each document.
        """
        found = np.flatnonzero(scores > 0)
        order = found[np.argsort(-scores[found], kind="stable")]
        return Hits(self, order, scores[order])

    def _column(self, name: str) -> Column:
        known: dict[object, int] = {}
        examples: list[Document] = []
        codes = np.empty(len(self), np.int32)
        for number, document in enumerate(self.documents):
            value = getattr(document, PROPERTIES.get(name, name))
            codes[number] = known.setdefault(value, len(known))
            if len(examples) < len(known):
                examples.append(document)
        return Column(codes, examples)


class Hits(Sequence[tuple[Document, float]]):
    """Documents with scores, best first; each is made when it is asked for."""

    def __init__(self, shelf: Shelf, numbers: Numbers, scores: Scores) -> None:
        self.shelf = shelf
        self.numbers = numbers
        self.scores = scores

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, at: int) -> tuple[Document, float]: ...
    @overload
    def __getitem__(self, at: slice) -> Hits: ...

    def __getitem__(self, at: int | slice) -> tuple[Document, float] | Hits:
        if isinstance(at, slice):
            return Hits(self.shelf, self.numbers[at], self.scores[at])
        return self.shelf.documents[self.numbers[at]], float(self.scores[at])

    def __iter__(self) -> Iterator[tuple[Document, float]]:
        documents = map(self.shelf.documents.__getitem__, self.numbers.tolist())
        return zip(documents, self.scores.tolist(), strict=True)

    def keep(self, filters: Iterable[Filter]) -> Hits:
        """The hits that pass every filter, in their order."""
        kept = self
        for wanted in filters:
            passing = kept._passing(wanted)
            kept = Hits(kept.shelf, kept.numbers[passing], kept.scores[passing])
        return kept

    def tally(self, name: str) -> Iterator[tuple[Document, int]]:
        """How many hits share each value of a property, beside an example of it."""
        column = self.shelf.column(name)
        counts = np.bincount(column.codes[self.numbers])
        for code in np.flatnonzero(counts):
            yield column.examples[code], int(counts[code])

    def _passing(self, wanted: Filter) -> NDArray[np.bool_]:
        """Each value is looked at once, however many hits have it."""
        column = self.shelf.column(wanted.name)
        codes, at = np.unique(column.codes[self.numbers], return_inverse=True)
        passing = [passes(column.examples[code], wanted) for code in codes]
        return np.array(passing, bool)[at]
