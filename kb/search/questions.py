"""Questions of the papers that a query nearly asks, in whatever words, and the demos
that show what it is about.

Engines weigh a word the same in every kind of text. Between two ways to ask one
thing it counts more how much of the query a paragraph takes up, in its question
first, and how much else the question is about. What a demo shows, its summary says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from math import log

from kb.search import analysis
from kb.search.documents import Document
from kb.search.entries import context

# What a word of the query is worth: in the question or as its paper's name, elsewhere.
FULL, LESS = 1.0, 0.6
# Below this nearness two texts share no more than a few words.
NEAREST_IGNORED = 0.3


class Questions:
    """All questions of one index. Immutable once made."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._worth: dict[str, dict[str, float]] = defaultdict(dict)
        asked = [each for each in documents if is_question(each) or each.kind == "demo"]
        for document in asked:
            told = LESS if is_question(document) else FULL
            for term in analysis.terms(document.body):
                self._worth[term][document.id] = told
            for term in analysis.terms(context(document)):
                self._worth[term].setdefault(document.id, LESS)
            for term in analysis.terms(" ".join([document.heading, *document.paper])):
                self._worth[term][document.id] = FULL
        self._count = len(asked)
        self._asked = {each.id: set(analysis.terms(each.heading)) for each in asked}
        self._whole = {id: self._rarity_of(terms) for id, terms in self._asked.items()}

    def near(self, text: str) -> dict[str, float]:
        """Ids of the questions and demos near to the text, with a nearness up to 1."""
        terms = set(analysis.terms(text))
        taken_up: defaultdict[str, float] = defaultdict(float)
        for term in terms:
            rarity = self._rarity(term)
            for id, worth in self._worth.get(term, {}).items():
                taken_up[id] += worth * rarity
        whole = self._rarity_of(terms)
        near = {
            id: worth / whole * self._share(id, terms)
            for id, worth in taken_up.items()
        }
        return {id: value for id, value in near.items() if value > NEAREST_IGNORED}

    def _share(self, id: str, terms: set[str]) -> float:
        """How much of the question itself is among the terms, from a half up to all."""
        shared = self._rarity_of(terms & self._asked[id])
        return (1 + shared / (self._whole[id] or 1.0)) / 2

    def _rarity_of(self, terms: Iterable[str]) -> float:
        return sum(self._rarity(term) for term in terms)

    def _rarity(self, term: str) -> float:
        return log(1 + self._count / (len(self._worth.get(term, ())) + 0.5))


def is_question(document: Document) -> bool:
    """Whether a place is one question with its answer."""
    return document.kind == "section" and document.heading.endswith("?")
