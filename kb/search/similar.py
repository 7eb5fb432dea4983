"""Which papers are alike: tf-idf cosine over what they say of themselves in short.

Made once with the index and kept in it; a page only looks its paper up.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import islice
from math import log, sqrt

from kb.search import analysis
from kb.search.documents import Document

SHOWN = 5
SECTIONS = ("tldr", "key-idea")
# A paper's names and tags are few words, each chosen to tell what it is about.
NAMING = 3
# A paper is known by its heaviest terms, and what a hundred papers share tells little
# of two of them; so the time grows with the papers, not with their square.
HEAVIEST = 80
MOST_SHARED = 100

Vector = dict[str, float]


def similar(documents: Iterable[Document]) -> dict[str, list[str]]:
    """The papers most like each paper, by slug, the most alike first."""
    vectors = _vectors(_counts(documents))
    papers_of: defaultdict[str, list[str]] = defaultdict(list)
    for slug, vector in vectors.items():
        for term in vector:
            papers_of[term].append(slug)
    return {slug: _nearest(slug, vectors, papers_of) for slug in vectors}


def _counts(documents: Iterable[Document]) -> dict[str, Counter[str]]:
    """How often each paper's names, tags, TL;DR and key idea say a term.

    A note without such sections is taken as a whole.
    """
    counts: dict[str, Counter[str]] = {}
    wholes: dict[str, str] = {}
    for document in documents:
        if document.kind == "paper":
            named = "\n".join([document.heading, *document.tags, document.family])
            terms = analysis.terms(named) * NAMING
            counts[document.slug] = Counter(terms)
            wholes[document.slug] = document.body
        elif document.anchor in SECTIONS:
            counts[document.slug].update(analysis.terms(document.body))
            wholes.pop(document.slug, None)
    for slug, body in wholes.items():
        counts[slug].update(analysis.terms(body))
    return counts


def _vectors(counts: Mapping[str, Counter[str]]) -> dict[str, Vector]:
    """Damped frequencies times rarity, of length 1."""
    frequency = Counter(term for each in counts.values() for term in each)
    rarity = {term: log(len(counts) / n) for term, n in frequency.items()}
    return {
        slug: _unit({t: (1 + log(n)) * rarity[t] for t, n in each.items()})
        for slug, each in counts.items()
    }


def _unit(weights: Vector) -> Vector:
    order = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    heaviest = dict(order[:HEAVIEST])
    length = sqrt(sum(weight**2 for weight in heaviest.values())) or 1.0
    return {term: weight / length for term, weight in heaviest.items()}


def _nearest(
    slug: str, vectors: Mapping[str, Vector], papers_of: Mapping[str, list[str]]
) -> list[str]:
    likeness: defaultdict[str, float] = defaultdict(float)
    for term, weight in vectors[slug].items():
        others = papers_of[term]
        for other in others if len(others) <= MOST_SHARED else ():
            likeness[other] += weight * vectors[other][term]
    alike = sorted(
        (other for other in likeness if other != slug and likeness[other] > 0),
        key=lambda other: (-likeness[other], other),
    )
    return list(islice(alike, SHOWN))
