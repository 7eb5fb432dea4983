"""Suggestions while typing: names by the beginning of any of their words.

Sorted lists in memory; nothing is asked of the engine.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from heapq import nsmallest
from operator import itemgetter

from kb.search import analysis
from kb.search.documents import Document

PER_KIND = {
    "paper": 4, "concept": 3, "symbol": 4, "equation": 2, "demo": 2, "section": 3,
}
LONGEST_TEXT = 80
# Thousands of notes may have a section of one name; a few of them say as much.
MOST_ALIKE = 8
MOST_KEPT = 2000  # beginnings whose names are kept


@dataclass(frozen=True)
class Suggestion:
    """A place that the typed text may mean."""

    document: Document
    label: str


# How near it is to what is typed (its length, then its id), its key as a whole, itself.
Entry = tuple[tuple[int, str], str, Suggestion]
NEARNESS = itemgetter(0)


class Suggester:
    """The names of papers, their parts, concepts and demos, by prefix."""

    def __init__(self, documents: Iterable[Document]) -> None:
        found: dict[str, list[Document]] = defaultdict(list)
        for document in documents:
            found[document.kind].append(document)
        self._names = {kind: Names(found[kind], PER_KIND[kind]) for kind in PER_KIND}

    def suggest(self, typed: str) -> dict[str, list[Suggestion]]:
        """Suggestions by kind, papers first; a few of each, exact names on top."""
        start = _spaced(typed[:LONGEST_TEXT])
        if not start:
            return {}
        by_kind = ((kind, names.begin(start)) for kind, names in self._names.items())
        return {kind: rows for kind, rows in by_kind if rows}


class Names:
    """The names of one kind of place."""

    def __init__(self, documents: Iterable[Document], shown: int) -> None:
        self._shown = shown
        entries: dict[str, list[Entry]] = defaultdict(list)
        for document in documents:
            for name in _names(document):
                whole = _spaced(name)
                suggestion = Suggestion(document, _label(document, name))
                entry = ((len(name), document.id), whole, suggestion)
                for key in _keys(whole):
                    entries[key].append(entry)
        self._keys = sorted(entries)
        self._entries = [_few(entries[key]) for key in self._keys]
        # Everybody begins with the same few letters, under which most names stand.
        self.begin = lru_cache(maxsize=MOST_KEPT)(self._begin)

    def _begin(self, start: str) -> list[Suggestion]:
        """The names with a word that begins so, those first that are just so."""
        first = bisect_left(self._keys, start)
        last = bisect_left(self._keys, start + "\U0010ffff")
        found = [entry for group in self._entries[first:last] for entry in group]
        exact = [entry for entry in found if entry[1] == start]
        # A place may have several names, or several words that begin so.
        near = nsmallest(4 * self._shown, found, key=NEARNESS)
        rows: dict[str, Suggestion] = {}
        for _, _, suggestion in [*sorted(exact, key=NEARNESS), *near]:
            rows.setdefault(suggestion.document.id, suggestion)
        return list(rows.values())[: self._shown]


def _few(alike: list[Entry]) -> list[Entry]:
    few = len(alike) <= MOST_ALIKE
    return alike if few else nsmallest(MOST_ALIKE, alike, key=NEARNESS)


def _label(document: Document, name: str) -> str:
    return document.title if document.kind in ("section", "symbol", "demo") else name


def _names(document: Document) -> tuple[str, ...]:
    """What a place is found by: its names, or else its title."""
    named = document.kind in ("paper", "concept", "symbol", "demo")
    return document.names if named else tuple(filter(None, [document.heading]))


def _keys(whole: str) -> set[str]:
    """The name from each of its words on, and identifiers as one word too."""
    words = whole.split()
    return {" ".join(words[i:]) for i in range(len(words))} | {"".join(words)} - {""}


def _spaced(text: str) -> str:
    """Lower case, identifiers split at `_`, dots and capitals."""
    parts = (
        part.lower()
        for match in analysis.words(text)
        for part in analysis.split_identifier(analysis.fold(match[0]))
    )
    return " ".join(parts)
