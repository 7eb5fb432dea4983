"""Filters and the counts beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from kb.search import analysis, language
from kb.search.documents import KINDS, Document
from kb.search.language import Filter

if TYPE_CHECKING:
    from kb.search.shelf import Hits

FACETS = ("kind", "part", "family", "year", "has", "checked")
Counts = dict[str, dict[str, int]]


def passes(document: Document, wanted: Filter) -> bool:
    """Whether a document has (or, negated, lacks) the property."""
    return _has(document, wanted.name, wanted.value) != wanted.negated


def _has(document: Document, name: str, value: str) -> bool:
    if name == "year":
        first, last = language.years(value) or (0, 9999)
        return bool(document.year) and first <= document.year <= last
    if name in ("author", "tag"):
        owned = document.authors if name == "author" else document.tags
        return _any_contains(owned, value)
    return value in (each.lower() for each in values(document, name))


# Thousands of places share the authors and tags of some papers.
@lru_cache(maxsize=4096)
def _any_contains(owned: tuple[str, ...], asked: str) -> bool:
    return any(_contains(each, asked) for each in owned)


def _contains(owned: str, asked: str) -> bool:
    """All asked words are among the owned, in any order, accents and endings aside."""
    words = set(analysis.name_key(asked).split())
    terms = set(analysis.terms(asked))  # "lecun" is no key of LeCun, but a term
    in_terms = bool(terms) and terms <= set(analysis.terms(owned))
    return in_terms or words <= set(analysis.name_key(owned).split())


def values(document: Document, facet: str) -> tuple[str, ...]:
    """A document's values of one facet, none for an unset one."""
    if facet == "has":
        return document.has
    value = getattr(document, facet)
    return (str(value),) if value else ()


def counts(found: Hits, filters: Iterable[Filter]) -> Counts:
    """How many hits each value of each facet would leave.

    A facet is counted without its own filter, so that its other values stay in sight.
    """
    wanted = tuple(filters)
    table: Counts = {}
    for facet in FACETS:
        kept = found.keep(each for each in wanted if each.name != facet)
        counter: Counter[str] = Counter()
        for example, count in kept.tally(facet):
            counter.update(dict.fromkeys(values(example, facet), count))
        table[facet] = _ordered(facet, counter)
    return table


def _ordered(facet: str, counter: Mapping[str, int]) -> dict[str, int]:
    """Kinds as in KINDS, years falling, the rest by count."""
    if facet == "kind":
        return {kind: counter[kind] for kind in KINDS if kind in counter}
    if facet == "year":
        return dict(sorted(counter.items(), reverse=True))
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))
