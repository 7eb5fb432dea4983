"""Tantivy: compiled, for a hundred thousand documents; a package of its own.

A search cannot be stopped, and need not be: the longest query that our language lets
through takes tenths of a second. When its time is over, the best hits alone are read.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import numpy as np
from tantivy import Document, Index, Occur, Query, Schema, SchemaBuilder, Searcher

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

# Taken as needed. What fits is written in one piece, so that ties keep their order.
MEMORY = 1_000_000_000
BEST = 100  # hits that are read when the time is over
# Its files, beside which others stand in the same folder.
OWN = ("meta.json", f"{'[0-9a-f]' * 32}.*")
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
    """One Tantivy index in one folder; a searcher that all threads share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._opening = threading.Lock()
        self._opened: tuple[Schema, Searcher] | None = None

    def rebuild(self, entries: Iterable[Entry]) -> None:
        """See `Engine.rebuild`."""
        writer = Index(schema(), str(self.folder)).writer(MEMORY, num_threads=1)
        for number, entry in enumerate(entries):
            text = {name: " ".join(terms) for name, terms in entry.fields.items()}
            writer.add_document(Document(number=number, **text))
        writer.commit()
        writer.wait_merging_threads()

    def search(self, request: Request, limit: int) -> Ranking:
        """See `Engine.search`. BM25 of each field, summed."""
        deadline = monotonic() + request.seconds
        with panics_raised():
            fields, searcher = self._searcher()
            query = translated(request, fields)
            hits = searcher.search(query, limit, count=False).hits
            read = hits[:BEST] if monotonic() > deadline else hits
            places = [place for _, place in read]
            numbers = searcher.fast_field_values("number", places)
        return Ranking(
            np.array(numbers, np.int64), np.array([score for score, _ in read], float),
            complete=len(read) == len(hits),
        )

    def health(self) -> Health:
        """See `Engine.health`."""
        try:
            with panics_raised():
                return Health(self._searcher()[1].num_docs, ok=True)
        except (OSError, ValueError, RuntimeError):
            return Health(0, ok=False)

    def close(self) -> None:
        """See `Engine.close`. The files are mapped until the last search ends."""
        self._opened = None

    def _searcher(self) -> tuple[Schema, Searcher]:
        with self._opening:
            if self._opened is None:
                self._opened = _opened(self.folder)
            return self._opened


def _opened(folder: Path) -> tuple[Schema, Searcher]:
    """A searcher over a copy of its own that nobody else can name.

    Tantivy maps its files: one cut short under it would kill the process. And it
    takes a lock beside them even to read, which a read-only disk refuses. The copy's
    names are gone at once; its contents stay as long as the searcher does.
    """
    copy = Path(tempfile.mkdtemp(prefix="tantivy-"))
    try:
        for file in (file for pattern in OWN for file in folder.glob(pattern)):
            shutil.copyfile(file, copy / file.name)
        index = Index.open(str(copy))
        return index.schema, index.searcher()
    finally:
        # More than once: a thread of Tantivy's may just be taking the lock there.
        for _ in range(10):
            if copy.exists():
                shutil.rmtree(copy, ignore_errors=True)


@contextmanager
def panics_raised() -> Iterator[None]:
    """A panic on a damaged file as RuntimeError; its own class is no Exception."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise RuntimeError(f"tantivy: {error}") from error


def translated(request: Request, fields: Schema) -> Query:
    """A whole request as one query."""
    parts = [(Occur.Must, translate(request.wanted, request.weights, fields))]
    if request.excluded is not None:
        parts.append((Occur.MustNot, translate(request.excluded, {}, fields)))
    return Query.boolean_query(parts)


def translate(
    node: Term | Sequence | And | Or, weights: Mapping[str, float], fields: Schema
) -> Query:
    """Our tree as Tantivy's term, phrase and boolean queries; nothing is parsed."""
    if isinstance(node, And | Or):
        occur = Occur.Must if isinstance(node, And) else Occur.Should
        inner = [(occur, translate(child, weights, fields)) for child in node.nodes]
        return Query.boolean_query(inner)
    if isinstance(node, Sequence) and len(node.terms) > 1:
        made = Query.phrase_query(fields, node.field, list(node.terms))
    else:
        text = node.text if isinstance(node, Term) else node.terms[0]
        made = Query.term_query(fields, node.field, text)
    return Query.boost_query(made, weights.get(node.field, 1.0))
