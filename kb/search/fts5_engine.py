"""SQLite FTS5: in Python's standard library, one file, crash-safe.

The second engine. It holds the interface to its word, and is the one to choose where
thousands of documents make Whoosh slow.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable
from pathlib import Path

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

FILE = "fts5.sqlite3"
# Virtual-machine steps between two looks at the clock.
STEPS = 1000


class Fts5Engine:
    """One FTS5 table in one file; a connection per thread."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []

    def rebuild(self, entries: Iterable[Entry]) -> None:
        """See `Engine.rebuild`."""
        connection = sqlite3.connect(self.file)
        # The ascii tokeniser takes every other letter as part of a word, so the
        # finished terms stay as they are.
        columns = f"id UNINDEXED, {', '.join(FIELDS)}"
        connection.execute(
            f"CREATE VIRTUAL TABLE entries USING fts5({columns},"
            """ tokenize = "ascii tokenchars '_.'")"""
        )
        marks = ", ".join("?" * (len(FIELDS) + 1))
        with connection:
            insert = f"INSERT INTO entries VALUES ({marks})"  # noqa: S608
            connection.executemany(insert, map(_row, entries))
            connection.execute("INSERT INTO entries(entries) VALUES ('optimize')")
        connection.close()

    def search(self, request: Request, limit: int, offset: int = 0) -> Ranking:
        """See `Engine.search`. FTS5's bm25, stopped after `request.seconds`."""
        match = translate(request.wanted)
        if request.excluded is not None:
            match = f"({match}) NOT ({translate(request.excluded)})"
        weights = [0.0, *(request.weights.get(name, 1.0) for name in FIELDS)]
        connection = self._connection()
        deadline = time.monotonic() + request.seconds
        connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
        marks = ", ".join("?" * len(weights))
        statement = (
            f"SELECT id, -bm25(entries, {marks}) AS score FROM entries "  # noqa: S608
            "WHERE entries MATCH ? ORDER BY score DESC, rowid LIMIT ? OFFSET ?"
        )
        try:
            rows = connection.execute(statement, [*weights, match, limit, offset])
            return Ranking(rows.fetchall())
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            return Ranking([], complete=False)

    def health(self) -> Health:
        """See `Engine.health`."""
        try:
            connection = self._connection()
            connection.set_progress_handler(None, 0)
            count = connection.execute("SELECT count(*) FROM entries").fetchone()[0]
            return Health(count, ok=True)
        except sqlite3.Error:
            return Health(0, ok=False)

    def close(self) -> None:
        """See `Engine.close`."""
        while self._connections:
            self._connections.pop().close()

    def _connection(self) -> sqlite3.Connection:
        if not hasattr(self._local, "connection"):
            # immutable: the file is never written again, so no locks are needed
            self._local.connection = sqlite3.connect(
                f"{self.file.resolve().as_uri()}?mode=ro&immutable=1",
                uri=True, check_same_thread=False,
            )
            self._connections.append(self._local.connection)
        return self._local.connection


def translate(node: Term | Sequence | And | Or) -> str:
    """Our tree in FTS5's match syntax, every term quoted."""
    if isinstance(node, Term):
        return f"{node.field} : {_quoted(node.text)}"
    if isinstance(node, Sequence):
        return f"{node.field} : {_quoted(' '.join(node.terms))}"
    joint = " AND " if isinstance(node, And) else " OR "
    return joint.join(f"({translate(child)})" for child in node.nodes)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _row(entry: Entry) -> list[str]:
    return [entry.id, *(" ".join(entry.fields.get(name, ())) for name in FIELDS)]
