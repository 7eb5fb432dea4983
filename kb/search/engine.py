"""What an engine must do: nothing more than find and rank finished terms.

The query language, stemming, aliases, spelling, filters and snippets are ours and
lie in front of it, so that engines can be exchanged (`SEARCH_ENGINE`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

ENGINES = ("whoosh", "fts5", "tantivy")
FIELDS = ("kind", "title", "text", "context", "symbols", "code", "formula")


class EngineMissing(ValueError):
    """No engine of that name can be had here; the text names the remedy."""


@dataclass(frozen=True)
class Term:
    """One finished term in one field."""

    field: str
    text: str


@dataclass(frozen=True)
class Sequence:
    """Terms side by side in one field."""

    field: str
    terms: tuple[str, ...]


@dataclass(frozen=True)
class And:
    """All of them."""

    nodes: tuple[Term | Sequence | And | Or, ...]


@dataclass(frozen=True)
class Or:
    """Any of them; the more, the better. Of none of them nothing is found."""

    nodes: tuple[Term | Sequence | And | Or, ...]


@dataclass(frozen=True)
class Request:
    """What to rank: `wanted` minus `excluded`, fields weighed, in at most `seconds`."""

    wanted: Term | Sequence | And | Or
    weights: Mapping[str, float]
    excluded: Term | Sequence | And | Or | None = None
    seconds: float = 10.0


@dataclass(frozen=True)
class Entry:
    """A document as an engine sees it: finished terms by field.

    Engines know it by its number, its place among the entries from 0.
    """

    fields: Mapping[str, list[str]]


@dataclass(frozen=True)
class Ranking:
    """Numbers of entries with their scores, best first, and whether that is all.

    `complete` is False when the time ran out.
    """

    numbers: NDArray[np.int64]
    scores: NDArray[np.float64]
    complete: bool = True


@dataclass(frozen=True)
class Health:
    """Number of documents, and whether the engine could read its files."""

    documents: int
    ok: bool


class Engine(Protocol):
    """An index in one folder. Built once, then read by any number of threads."""

    def __init__(self, folder: Path) -> None: ...

    def rebuild(self, entries: Iterable[Entry]) -> None:
        """Write the index of all entries into the (empty) folder."""

    def search(self, request: Request, limit: int) -> Ranking:
        """The best hits, at most `limit`, scores above 0; ties in order of entry."""

    def health(self) -> Health:
        """Open the files and count; never raises."""

    def close(self) -> None:
        """Release the files."""


def engine_class(name: str) -> type[Engine]:
    """The engine of a `SEARCH_ENGINE` name. Only the chosen one is imported.

    Raises EngineMissing for another name and for a package that is not installed.
    """
    missing = engine_fault(name)
    if missing:
        raise EngineMissing(missing)
    if name == "fts5":
        from kb.search.fts5_engine import Fts5Engine

        return Fts5Engine
    if name == "tantivy":
        from kb.search.tantivy_engine import TantivyEngine

        return TantivyEngine
    from kb.search.whoosh_engine import WhooshEngine

    return WhooshEngine


def engine_fault(name: str) -> str | None:
    """What is wrong with a `SEARCH_ENGINE` name, and the remedy; None: nothing is.

    Imports nothing, so that it can be asked at each start.
    """
    if name not in ENGINES:
        return (
            f"search engine {name!r} is unknown; set KB_SEARCH_ENGINE to 'whoosh', "
            "'fts5' or 'tantivy'"
        )
    if name == "tantivy" and find_spec("tantivy") is None:
        return (
            "search engine 'tantivy' needs its package: .venv/bin/pip install "
            "'tantivy~=0.27', or set KB_SEARCH_ENGINE to 'whoosh' or 'fts5'"
        )
    return None
