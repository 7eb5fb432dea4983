"""SQLite FTS5: in Python's standard library, one file, crash-safe.

The second engine. It holds the interface to its word, and is the one to choose where
thousands of documents make Whoosh slow.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

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
NOTHING = Ranking(np.array([], np.int64), np.array([], float))


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
        # finished terms stay as they are. The text itself is not kept.
        connection.execute(
            f"CREATE VIRTUAL TABLE entries USING fts5({', '.join(FIELDS)},"
            """ content='', tokenize = "ascii tokenchars '_.'")"""
        )
        columns, marks = ", ".join(FIELDS), ", ".join("?" * (len(FIELDS) + 1))
        with connection:
            insert = f"INSERT INTO entries(rowid, {columns}) VALUES ({marks})"  # noqa: S608
            connection.executemany(insert, map(_row, enumerate(entries)))
            connection.execute("INSERT INTO entries(entries) VALUES ('optimize')")
        connection.close()

    def search(self, request: Request, limit: int) -> Ranking:
        """See `Engine.search`. FTS5's bm25, stopped after `request.seconds`."""
        match = translate(request.wanted)
        unwanted = translate(request.excluded) if request.excluded else ""
        if not match:
            return NOTHING
        if unwanted:
            match = f"({match}) NOT ({unwanted})"
        weights = [request.weights.get(name, 1.0) for name in FIELDS]
        connection = self._connection()
        deadline = time.monotonic() + request.seconds
        connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
        marks = ", ".join("?" * len(weights))
        statement = (
            f"SELECT rowid, -bm25(entries, {marks}) AS score FROM entries "  # noqa: S608
            "WHERE entries MATCH ? ORDER BY score DESC, rowid LIMIT ?"
        )
        try:
            found = connection.execute(statement, [*weights, match, limit]).fetchall()
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            return replace(NOTHING, complete=False)
        numbers, scores = zip(*found, strict=True) if found else ((), ())
        return Ranking(np.array(numbers, np.int64), np.array(scores, float))

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
    """Our tree in FTS5's match syntax, every term quoted; "" finds nothing."""
    if isinstance(node, Term):
        return f"{node.field} : {_quoted(node.text)}"
    if isinstance(node, Sequence):
        return f"{node.field} : {_quoted(' '.join(node.terms))}"
    inner = [translate(child) for child in node.nodes]
    if isinstance(node, And):
        return " AND ".join(f"({each})" for each in inner) if all(inner) else ""
    return " OR ".join(f"({each})" for each in inner if each)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _row(numbered: tuple[int, Entry]) -> list[int | str]:
    number, entry = numbered
    return [number, *(" ".join(entry.fields.get(name, ())) for name in FIELDS)]
