"""What an engine must do: nothing more than find and rank finished terms.

The query language, stemming, aliases, spelling, filters and snippets are ours and
lie in front of it, so that engines can be exchanged (`SEARCH_ENGINE`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

FIELDS = ("kind", "title", "text", "context", "symbols", "code", "formula")
NO_TANTIVY = (
    "search engine 'tantivy' needs its package: .venv/bin/pip install 'tantivy~=0.27', "
    "or use 'whoosh' or 'fts5'"
)


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
    """Any of them; the more, the better."""

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
    """A document as an engine sees it: finished terms by field."""

    id: str
    fields: Mapping[str, list[str]]


@dataclass(frozen=True)
class Ranking:
    """Ids with scores, best first; `complete` is False when the time ran out."""

    hits: list[tuple[str, float]]
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

    def search(self, request: Request, limit: int, offset: int = 0) -> Ranking:
        """Hits offset to offset + limit, best first, scores above 0."""

    def health(self) -> Health:
        """Open the files and count; never raises."""

    def close(self) -> None:
        """Release the files."""


def engine_class(name: str) -> type[Engine]:
    """The engine of a `SEARCH_ENGINE` name. Only the chosen one is imported.

    Raises ValueError for another name and for a package that is not installed.
    """
    if name == "whoosh":
        from kb.search.whoosh_engine import WhooshEngine

        return WhooshEngine
    if name == "fts5":
        from kb.search.fts5_engine import Fts5Engine

        return Fts5Engine
    if name == "tantivy":
        try:
            from kb.search.tantivy_engine import TantivyEngine
        except ModuleNotFoundError as error:
            raise ValueError(NO_TANTIVY) from error
        return TantivyEngine
    raise ValueError(
        f"search engine {name!r} is unknown; use 'whoosh', 'fts5' or 'tantivy'"
    )
