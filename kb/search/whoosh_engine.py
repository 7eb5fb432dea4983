"""Whoosh: pure Python, good to about ten thousand documents.

Its query parser is never used: ours builds the query, so no wildcard or range of a
visitor reaches it. Only what whoosh-reloaded and its forks share is called.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
from whoosh import fields, index, query
from whoosh.analysis import SpaceSeparatedTokenizer
from whoosh.collectors import TimeLimit, TimeLimitCollector
from whoosh.filedb.filestore import RamStorage
from whoosh.scoring import BM25F
from whoosh.searching import Searcher

from kb.search.engine import (
    FIELDS,
    And,
    Entry,
    Health,
    Or,
    Ranking,
    Request,
    Sequence,
    Term,
)

MEMORY_MB = 64
# Fields without positions: smaller, and a phrase in them has no meaning.
UNORDERED = ("kind", "context", "formula")


def schema() -> fields.Schema:
    """Finished terms need no analyser but a split at blanks."""
    columns: dict[str, fields.FieldType] = {
        name: fields.TEXT(
            analyzer=SpaceSeparatedTokenizer(), phrase=name not in UNORDERED
        )
        for name in FIELDS
    }
    return fields.Schema(**columns)


class WhooshEngine:
    """One Whoosh index in one folder; a searcher per thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._local = threading.local()
        self._searchers: list[Searcher] = []

    def rebuild(self, entries: Iterable[Entry]) -> None:
        """See `Engine.rebuild`."""
        made = index.create_in(str(self.folder), schema())
        writer = made.writer(limitmb=MEMORY_MB)
        for entry in entries:
            text = {name: " ".join(terms) for name, terms in entry.fields.items()}
            writer.add_document(**text)
        writer.commit(optimize=True)  # one segment, whose numbers are the entries'
        made.close()

    def search(self, request: Request, limit: int) -> Ranking:
        """See `Engine.search`. BM25F, stopped after `request.seconds`."""
        searcher = self._searcher()
        wanted = translate(request.wanted, request.weights)
        if request.excluded is not None:
            wanted = query.AndNot(wanted, translate(request.excluded, {}))
        inner = searcher.collector(limit=limit)
        # A timer thread: the alarm signal would work in the main thread only.
        collector = TimeLimitCollector(inner, request.seconds, use_alarm=False)
        complete = True
        try:
            searcher.search_with_collector(wanted, collector)
        except TimeLimit:
            complete = False
        best = collector.results().top_n
        numbers = np.array([number for _, number in best], np.int64)
        return Ranking(numbers, np.array([score for score, _ in best], float), complete)

    def health(self) -> Health:
        """See `Engine.health`."""
        try:
            return Health(self._searcher().doc_count(), ok=True)
        except Exception:  # Whoosh raises whatever a broken file leads it to
            return Health(0, ok=False)

    def close(self) -> None:
        """See `Engine.close`."""
        while self._searchers:
            self._searchers.pop().close()

    @cached_property
    def _storage(self) -> RamStorage:
        """The files, read whole: one cut short while mapped would kill the process."""
        storage = RamStorage()
        for file in self.folder.glob("*MAIN_*"):
            storage.files[file.name] = file.read_bytes()
        return storage

    def _searcher(self) -> Searcher:
        if not hasattr(self._local, "searcher"):
            opened = self._storage.open_index()
            self._local.searcher = opened.searcher(weighting=BM25F())
            self._searchers.append(self._local.searcher)
        return self._local.searcher


def translate(
    node: Term | Sequence | And | Or, weights: Mapping[str, float]
) -> query.Query:
    """Our tree as Whoosh's Term, Phrase, And, Or."""
    if isinstance(node, Term):
        return query.Term(node.field, node.text, boost=weights.get(node.field, 1.0))
    if isinstance(node, Sequence):
        boost = weights.get(node.field, 1.0)
        return query.Phrase(node.field, list(node.terms), boost=boost)
    inner = [translate(child, weights) for child in node.nodes]
    return query.And(inner) if isinstance(node, And) else query.Or(inner)
