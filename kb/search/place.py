"""What is found: a place, with all that is known of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

# Also the order of kinds that bear the same name.
KINDS = (
    "paper", "concept", "section", "symbol", "equation", "figure", "result", "demo",
)


@dataclass(frozen=True)
class Document:
    """One place that can be found."""

    id: str                       # "mae", "mae#key-idea", "concept:memory"
    kind: str                     # one of KINDS
    slug: str                     # of the paper; a concept's own name
    anchor: str                   # fragment of the page, "" for its top; a demo's name
    title: str                    # as a hit shows it
    section: str                  # where it stands on the page
    heading: str                  # the words of its own title
    body: str                     # what it says; snippets are cut from it
    names: tuple[str, ...] = ()   # a query that is one of these means this place
    symbols: tuple[str, ...] = () # identifiers defined here
    code: str = ""
    formula: str = ""             # LaTeX and the words of its symbols
    paper: tuple[str, ...] = ()   # the paper's names
    part: str = ""
    family: str = ""
    year: int = 0
    authors: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    has: tuple[str, ...] = ()     # "demo", "code", "golden"
    checked: str = ""             # against what: one of CHECKED
    hint: float = 1.0             # factor on the engine's score
    measured: tuple[str, ...] = ()  # dataset, metric, protocol of a result
    rows: tuple[int, ...] = ()    # of a result: the line in the table of each row


def inside(whole: Document, kind: str, anchor: str, **own: Any) -> Document:
    """A place on the paper's page: the paper's facets with contents of its own."""
    empty: dict[str, Any] = {"names": (), "symbols": (), "hint": 1.0}
    return replace(
        whole, kind=kind, anchor=anchor,
        **({"id": f"{whole.slug}#{anchor}"} | empty | own),
    )
