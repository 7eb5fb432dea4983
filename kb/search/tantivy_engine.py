"""Tantivy: compiled, for a hundred thousand documents; a package of its own.

A search cannot be stopped, and need not be: the longest query that our language lets
through takes tenths of a second. When its time is over, the best hits alone are read.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from tantivy import Document, Index, Occur, Query, Schema, SchemaBuilder

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

IDS = "ids.json"
# Taken as needed. What fits is written in one piece, so that ties keep their order.
MEMORY = 1_000_000_000
BEST = 100  # hits that are read when the time is over
# Fields without positions: smaller, and a phrase in them has no meaning.
UNORDERED = ("kind", "context", "formula")


def schema() -> Schema:
    """Finished terms need no analyser but a split at blanks."""
    builder = SchemaBuilder()
    builder.add_integer_field("number", fast=True)
    for name in FIELDS:
        option = "freq" if name in UNORDERED else "position"
        builder.add_text_field(name, tokenizer_name="whitespace", index_option=option)
    return builder.build()


class TantivyEngine:
    """One Tantivy index in one folder, and the ids by number; shared by threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._opening = threading.Lock()
        self._opened: tuple[Index, list[str]] | None = None

    def rebuild(self, entries: Iterable[Entry]) -> None:
        """See `Engine.rebuild`."""
        writer = Index(schema(), str(self.folder)).writer(MEMORY, num_threads=1)
        ids = []
        for number, entry in enumerate(entries):
            text = {name: " ".join(terms) for name, terms in entry.fields.items()}
            writer.add_document(Document(number=number, **text))
            ids.append(entry.id)
        writer.commit()
        writer.wait_merging_threads()
        (self.folder / IDS).write_text(json.dumps(ids))

    def search(self, request: Request, limit: int, offset: int = 0) -> Ranking:
        """See `Engine.search`. BM25 of each field, summed; ties in order of entry."""
        deadline = monotonic() + request.seconds
        with panics_raised():
            index, ids = self._index()
            parts = [(Occur.Must, translate(request.wanted, request.weights, index))]
            if request.excluded is not None:
                parts += [(Occur.MustNot, translate(request.excluded, {}, index))]
            searcher = index.searcher()
            query = Query.boolean_query(parts)
            hits = searcher.search(query, limit + offset, count=False).hits
            read = hits[: offset + BEST] if monotonic() > deadline else hits
            places = [place for _, place in read]
            numbers = searcher.fast_field_values("number", places)
        order = zip(read, numbers, strict=True)
        ranked = sorted((-score, int(n or 0)) for (score, _), n in order)
        pairs = [(ids[n], -score) for score, n in ranked[offset:]]
        return Ranking(pairs, complete=len(read) == len(hits))

    def health(self) -> Health:
        """See `Engine.health`."""
        try:
            with panics_raised():
                index, ids = self._index()
                count = index.searcher().num_docs
            return Health(count, ok=count == len(ids))
        except (OSError, ValueError, RuntimeError):
            return Health(0, ok=False)

    def close(self) -> None:
        """See `Engine.close`. The files are mapped until the last search ends."""
        self._opened = None

    def _index(self) -> tuple[Index, list[str]]:
        with self._opening:
            if self._opened is None:
                ids = json.loads((self.folder / IDS).read_bytes())
                self._opened = Index.open(str(self.folder)), ids
            return self._opened


@contextmanager
def panics_raised() -> Iterator[None]:
    """A panic on a damaged file as RuntimeError; its own class is no Exception."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise RuntimeError(f"tantivy: {error}") from error


def translate(
    node: Term | Sequence | And | Or, weights: Mapping[str, float], index: Index
) -> Query:
    """Our tree as Tantivy's term, phrase and boolean queries; nothing is parsed."""
    if isinstance(node, And | Or):
        occur = Occur.Must if isinstance(node, And) else Occur.Should
        inner = [(occur, translate(child, weights, index)) for child in node.nodes]
        return Query.boolean_query(inner)
    if isinstance(node, Sequence) and len(node.terms) > 1:
        made = Query.phrase_query(index.schema, node.field, list(node.terms))
    else:
        text = node.text if isinstance(node, Term) else node.terms[0]
        made = Query.term_query(index.schema, node.field, text)
    return Query.boost_query(made, weights.get(node.field, 1.0))
