"""How much of a query a place says itself, and how close together.

Engines add up what single words are worth. A place that says more of the words, and
says them side by side, is nearer to what was meant than one that repeats a single
word in its name, or only bears another name of the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import log

from kb.search import analysis
from kb.search.documents import Document
from kb.search.entries import context, text

# Of a long page no more is read than this; a paper as a whole says everything.
LONGEST = 600
WITHIN = 3  # words from one to the next still count as side by side
LEAST = 0.2  # what is left of a score when nothing of the query is said
TOGETHER = 0.5  # how much is added when all of it is said side by side


class Closeness:
    """What the places of one index say. Filled as places are asked for."""

    def __init__(
        self, documents: Mapping[str, Document], frequency: Mapping[str, int]
    ) -> None:
        self._documents = documents
        self._said: dict[str, tuple[str, ...]] = {}
        self._frequency: dict[str, int] = {}
        for word, count in frequency.items():
            for term in analysis.terms_of(word):
                self._frequency[term] = max(count, self._frequency.get(term, 0))

    def __contains__(self, term: str) -> bool:
        return term in self._frequency

    def factor(self, id: str, terms: Sequence[str], *, together: bool) -> float:
        """Factor on the score of a place, from LEAST to 1, or more if `together`."""
        said = self._says(id)
        around = set(said) | set(analysis.terms(context(self._documents[id])))
        whole = sum(map(self._rarity, terms)) or 1.0
        share = sum(self._rarity(term) for term in terms if term in around) / whole
        side_by_side = _together(said, terms) if together else 0.0
        return LEAST + (1 - LEAST) * share**2 + TOGETHER * side_by_side

    def _says(self, id: str) -> tuple[str, ...]:
        if id not in self._said:
            document = self._documents[id]
            own = f"{text(document)}\n{' '.join(document.symbols)}"
            self._said[id] = tuple(analysis.terms(own)[:LONGEST])
        return self._said[id]

    def _rarity(self, term: str) -> float:
        return log(1 + len(self._documents) / (self._frequency.get(term, 0) + 0.5))


def _together(said: Sequence[str], terms: Sequence[str]) -> float:
    """The share of neighbours in the query that stand so in the text, in order."""
    pairs = set(pairwise(terms))
    starts = {first for first, _ in pairs}
    found = {
        (term, after)
        for at, term in enumerate(said) if term in starts
        for after in said[at + 1 : at + 1 + WITHIN] if (term, after) in pairs
    }
    return len(found) / len(pairs) if pairs else 0.0
