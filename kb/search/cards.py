"""Papers by what stands on their catalogue card: authors, year, names and topics.

"caron 2021" and "contrastive 2020" describe papers, though other places say these
words more often: lists of sources are full of names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from kb.search import analysis
from kb.search.documents import Document

# How far a paper rises, in units of the best score: its authors or its year leave no
# doubt that papers are meant, a topic may be meant otherwise.
RISE_BY_AUTHOR, RISE_BY_TOPIC = 5.0, 1.0


class Cards:
    """The cards of all papers of one index. Immutable once made."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._papers: dict[str, set[str]] = defaultdict(set)
        self._by: dict[str, set[str]] = defaultdict(set)
        for each in (d for d in documents if d.kind == "paper"):
            topics = [each.heading, each.part, each.family, *each.tags]
            for term in analysis.terms("\n".join(topics)):
                self._papers[term].add(each.id)
            by = analysis.terms("\n".join([*each.authors, str(each.year)]))
            for term in (t for t in by if len(t) > 1):  # initials say nothing
                self._papers[term].add(each.id)
                self._by[term].add(each.id)

    def matches(self, words: Sequence[str]) -> dict[str, float]:
        """Papers with all the words on their card, and how far each rises."""
        wanted = [terms for word in words if (terms := analysis.terms_of(word))]
        if not wanted:
            return {}
        found = set.intersection(*map(self._with, wanted))
        by = {id for terms in wanted for id in self._by.get(terms[0], ())}
        return {id: RISE_BY_AUTHOR if id in by else RISE_BY_TOPIC for id in found}

    def _with(self, terms: Sequence[str]) -> set[str]:
        """Papers with the whole word or, of an identifier, all its parts."""
        whole, *parts = [self._papers.get(term, set()) for term in terms]
        return whole | set.intersection(*parts) if parts else whole
