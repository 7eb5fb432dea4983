"""Narrowing the list of papers: part, family, year, demo, with counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.http import QueryDict

from kb.catalogue.papers import Paper
from kb.catalogue.parts import PARTS

VALUES: dict[str, Callable[[Paper], list[str]]] = {
    "part": lambda paper: [paper.part],
    "family": lambda paper: [paper.family] if paper.family else [],
    "year": lambda paper: [str(paper.year)] if paper.year else [],
    "demo": lambda paper: [demo.name for demo in paper.demos],
}
LABELS = {"part": "Part", "family": "Family", "year": "Year", "demo": "Demo"}


@dataclass(frozen=True)
class Option:
    """One value: how many papers it would leave, and the address that toggles it."""

    value: str
    label: str
    count: int
    selected: bool
    query: str  # for `href="?{{ option.query }}"`


@dataclass(frozen=True)
class Facet:
    """One GET parameter and its values."""

    name: str
    label: str
    options: list[Option]


def choose(
    papers: Iterable[Paper], query: QueryDict
) -> tuple[list[Paper], list[Facet]]:
    """The papers that match every chosen facet (any of its values), and the facets."""
    papers = list(papers)
    chosen = {name: set(filter(None, query.getlist(name))) for name in VALUES}
    facets = [
        _facet(name, _matching(papers, chosen, leaving_out=name), chosen)
        for name in VALUES
    ]
    return _matching(papers, chosen), facets


def _matching(
    papers: list[Paper], chosen: dict[str, set[str]], leaving_out: str = ""
) -> list[Paper]:
    active = {name: v for name, v in chosen.items() if v and name != leaving_out}
    return [p for p in papers if all(v & {*VALUES[n](p)} for n, v in active.items())]


def _facet(name: str, papers: list[Paper], chosen: dict[str, set[str]]) -> Facet:
    """Counts are those of the other facets' choice, so that a click never surprises."""
    counts = Counter(value for paper in papers for value in VALUES[name](paper))
    values = sorted(set(counts) | chosen[name])
    if name == "part":
        values = [part for part in PARTS if part in values]
    options = [
        Option(
            value, PARTS.get(value, value) if name == "part" else value, counts[value],
            value in chosen[name], _toggled(chosen, name, value),
        )
        for value in values
    ]
    return Facet(name, LABELS[name], options)


def _toggled(chosen: dict[str, set[str]], name: str, value: str) -> str:
    query = QueryDict(mutable=True)
    for other, values in chosen.items():
        kept = values ^ {value} if other == name else values
        query.setlist(other, sorted(kept))
    return query.urlencode()
