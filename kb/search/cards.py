"""Papers by what stands on their catalogue card: authors, year, names and topics.

"caron 2021" and "contrastive 2020" describe papers, though other places say these
words more often: lists of sources are full of names. Reported numbers have cards as
well: "dino vit-s imagenet top-1" describes some rows of a table.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Iterable, Sequence

from kb.search import analysis
from kb.search.documents import KINDS, Document

# How far a place rises, in units of the best score: its authors or its year leave no
# doubt that papers are meant, as if one was named; a topic may be meant otherwise.
RISE_BY_AUTHOR, RISE_BY_TOPIC = 1.0 + len(KINDS), 1.0
# A paper's own numbers stand before those that others report of it, and a measurement
# of which all is asked for before its variants.
RISE_BY_NUMBER, RISE_IF_OWN, RISE_IF_WHOLE = 1.0, 0.5, 1.0
DECIMAL = re.compile(r"\d+\.\d+")
# Dataset, metric, protocol: who names two of them, or a number, asks for numbers.
ENOUGH_COLUMNS = 2
ALSO = {"top-1": "accuracy", "top-5": "accuracy", "k-NN": "knn"}


class Cards:
    """The cards of all papers and results of one index. Immutable once made."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._on: dict[str, set[str]] = defaultdict(set)
        self._by: dict[str, set[str]] = defaultdict(set)
        self._columns: dict[str, tuple[frozenset[str], ...]] = {}
        self._names: dict[str, list[frozenset[str]]] = {}
        for each in documents:
            if each.kind == "paper":
                self._add_paper(each)
            elif each.kind == "result":
                self._add_result(each)

    def _add_paper(self, paper: Document) -> None:
        topics = [paper.heading, paper.part, paper.family, *paper.tags]
        for term in analysis.terms("\n".join(topics)):
            self._on[term].add(paper.id)
        by = analysis.terms("\n".join([*paper.authors, str(paper.year)]))
        for term in (t for t in by if len(t) > 1):  # initials say nothing
            self._on[term].add(paper.id)
            self._by[term].add(paper.id)

    def _add_result(self, result: Document) -> None:
        also = [word for cell, word in ALSO.items() if cell in result.heading]
        told = "\n".join([result.heading, result.body, *result.paper, *also])
        for term in analysis.terms(told):
            self._on[term].add(result.id)
        self._names[result.id] = [
            frozenset(analysis.terms(name)) for name in result.paper
        ]
        columns = [set(analysis.terms(cell)) for cell in result.measured]
        self._columns[result.id] = tuple(
            frozenset(term for term in column if len(term) > 1) for column in columns
        )

    @property
    def authors(self) -> Container[str]:
        """The terms of all authors' names, and years."""
        return self._by.keys()

    def matches(self, words: Sequence[str]) -> dict[str, float]:
        """Places with all the words on their card, and how far each rises."""
        wanted = [terms for word in words if (terms := analysis.terms_of(word))]
        if not wanted:
            return {}
        found = set.intersection(*map(self._with, wanted))
        whole = {terms[0] for terms in wanted}
        by = {id for term in whole for id in self._by.get(term, ())}
        rises = {
            id: RISE_BY_AUTHOR if id in by else RISE_BY_TOPIC
            for id in found - self._columns.keys()
        }
        return rises | self._numbers(found & self._columns.keys(), whole)

    def _numbers(self, found: set[str], terms: set[str]) -> dict[str, float]:
        """Those results that the terms ask for rather than for what they are about."""
        measured = any(map(DECIMAL.fullmatch, terms))
        rises = {}
        for id in found:
            columns = self._columns[id]
            named = sum(not column.isdisjoint(terms) for column in columns)
            if measured or named >= ENOUGH_COLUMNS:
                own = any(name <= terms for name in self._names[id])
                heading = frozenset().union(*columns)
                whole = len(heading & terms) / (len(heading) or 1)
                rises[id] = RISE_BY_NUMBER + RISE_IF_OWN * own + RISE_IF_WHOLE * whole
        return rises

    def _with(self, terms: Sequence[str]) -> set[str]:
        """Places with the whole word or, of an identifier, all its parts."""
        whole, *parts = [self._on.get(term, set()) for term in terms]
        return whole | set.intersection(*parts) if parts else whole
