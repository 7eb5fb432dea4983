"""Who builds on whom: imports between modules, and what papers say they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kb.catalogue.library import Library


@dataclass(frozen=True)
class Edge:
    """From the elder to what builds on it. kind: `imports` or `follows`."""

    source: str
    target: str
    kind: str


def edges(shelves: Library) -> list[Edge]:
    """One edge for each pair; where code is used, that says more than an answer."""
    found: dict[tuple[str, str], Edge] = {}
    for paper in shelves.papers.values():
        for kind, sources in (("imports", paper.builds_on), ("follows", paper.follows)):
            for source in sources:
                if source in shelves.papers and source != paper.slug:
                    edge = Edge(source, paper.slug, kind)
                    found.setdefault((source, paper.slug), edge)
    return list(found.values())


def followers(shelves: Library) -> Mapping[str, list[str]]:
    """Slug -> slugs of the papers that answer it."""
    found: dict[str, list[str]] = {slug: [] for slug in shelves.papers}
    for paper in shelves.papers.values():
        for source in paper.follows:
            if source in found and source != paper.slug:
                found[source].append(paper.slug)
    return found
