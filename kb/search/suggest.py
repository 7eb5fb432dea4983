"""Suggestions while typing: names by the beginning of any of their words.

A sorted list in memory; nothing is asked of the engine.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from kb.search import analysis
from kb.search.documents import Document

PER_KIND = {"paper": 4, "symbol": 4, "section": 3}
LONGEST_TEXT = 80


@dataclass(frozen=True)
class Suggestion:
    """A place that the typed text may mean."""

    document: Document
    label: str


class Suggester:
    """All names of papers, symbols and sections, findable by prefix."""

    def __init__(self, documents: Iterable[Document]) -> None:
        entries = []
        for document in documents:
            for name in _names(document):
                entries += [(key, name, document) for key in _keys(name)]
        # Earlier words of a name first, then short names: (key, length) orders both.
        self._entries = sorted(entries, key=lambda e: (e[0], len(e[1]), e[2].id))
        self._sort_keys = [entry[0] for entry in self._entries]

    def suggest(self, typed: str) -> dict[str, list[Suggestion]]:
        """Suggestions by kind, papers first; a few of each, exact names on top."""
        start = _spaced(typed[:LONGEST_TEXT])
        if not start:
            return {}
        first = bisect_left(self._sort_keys, start)
        last = bisect_left(self._sort_keys, start + "\U0010ffff")
        found = self._entries[first:last]

        def nearness(entry: tuple[str, str, Document]) -> tuple[bool, int, str]:
            _, name, document = entry
            return _spaced(name) != start, len(name), document.id

        ranked = sorted(found, key=nearness)
        return {kind: rows for kind in PER_KIND if (rows := _of_kind(ranked, kind))}


def _of_kind(ranked: list[tuple[str, str, Document]], kind: str) -> list[Suggestion]:
    rows: dict[str, Suggestion] = {}
    for _, name, document in ranked:
        if document.kind == kind and len(rows) < PER_KIND[kind]:
            rows.setdefault(document.id, Suggestion(document, _label(document, name)))
    return list(rows.values())


def _label(document: Document, name: str) -> str:
    return document.title if document.kind != "paper" else name


def _names(document: Document) -> tuple[str, ...]:
    """A section goes by its heading, everything else by its names."""
    if document.kind not in PER_KIND:
        return ()
    return (document.heading,) if document.kind == "section" else document.names


def _keys(name: str) -> set[str]:
    """The name from each of its words on, and identifiers as one word too."""
    words = _spaced(name).split()
    return {" ".join(words[i:]) for i in range(len(words))} | {"".join(words)}


def _spaced(text: str) -> str:
    """Lower case, identifiers split at `_`, dots and capitals."""
    parts = (
        part.lower()
        for match in analysis.words(text)
        for part in analysis.split_identifier(analysis.fold(match[0]))
    )
    return " ".join(parts)
