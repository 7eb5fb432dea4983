"""The one door to search, for the page, the API and the shell alike."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from django.urls import reverse

from kb.search import analysis, facets, language, ranking, snippets, wording
from kb.search.documents import Document
from kb.search.generations import Generation
from kb.search.index import live_index
from kb.search.language import Filter, Prefix, Query
from kb.search.suggest import LONGEST_TEXT, PER_KIND, Suggestion

PAGE_SIZE = 20


@dataclass(frozen=True)
class Hit:
    """One place. `url` opens it and marks the words; `snippet` is safe HTML."""

    kind: str
    slug: str
    title: str
    url: str
    section: str
    snippet: str
    score: float


@dataclass(frozen=True)
class Understood:
    """What was made of the query; `corrected` and `exact_url` are None if as typed."""

    understood: str
    corrected: str | None
    exact_url: str | None


@dataclass(frozen=True)
class Answer:
    """One page of hits; `facets` counts hits by facet and value over all pages."""

    count: int
    took_ms: float
    query: Understood
    facets: facets.Counts
    results: list[Hit]


def search(
    q: str,
    *,
    kind: str = "",
    part: str = "",
    year: str | int = "",
    family: str = "",
    has: str = "",
    page: int = 1,
    exact: bool = False,
) -> Answer:
    """Search papers, sections, symbols and equations. Any text is a valid query.

    The keywords narrow like the same words in the query (`part:video`); a year is
    `2021` or `2020..2022`. exact: search as typed, without correction. Pages count
    from 1 and hold PAGE_SIZE hits.
    """
    started = time.perf_counter()
    q = q.encode(errors="replace").decode()  # no address can hold half a character
    asked = {"kind": kind, "part": part, "year": str(year)}
    asked |= {"family": family, "has": has}
    generation = live_index().generation()
    query = _parsed(q, asked)
    corrected: dict[str, str] = {}
    if not exact:
        query, corrected = ranking.respell(query, generation)
    found = _found(query, generation)
    kept = [(d, s) for d, s in found.hits if _passes(d, query)]
    first = (max(page, 1) - 1) * PAGE_SIZE
    query_said = Understood(
        wording.sentence(
            query, corrected, loosened=found.loosened, complete=found.complete
        ),
        _corrected(q, corrected), _exact_url(q, asked, corrected),
    )
    return Answer(
        count=len(kept),
        took_ms=round(1000 * (time.perf_counter() - started), 1),
        query=query_said,
        facets=facets.counts([d for d, _ in found.hits], query.filters),
        results=_hits(kept[first : first + PAGE_SIZE], query, generation),
    )


def suggest(typed: str) -> dict[str, list[tuple[str, str, str]]]:
    """Places by kind whose names begin so: (label, where it stands, address).

    A section's label says by itself where it stands. After few sections follow the
    questions that are nearly asked.
    """
    generation = live_index().generation()
    by_kind = generation.suggester.suggest(typed)
    sections = by_kind.pop("section", [])
    known = {row.document.id for row in sections}
    asked = _nearly_asked(typed, generation)
    sections += [row for row in asked if row.document.id not in known]
    if sections:
        by_kind["section"] = sections[: PER_KIND["section"]]
    return {kind: [_suggested(row) for row in rows] for kind, rows in by_kind.items()}


def _nearly_asked(typed: str, generation: Generation) -> list[Suggestion]:
    """Questions near to what is typed, the nearest first; none for a single word."""
    typed = typed[:LONGEST_TEXT]
    if len(set(analysis.terms(typed))) < 2:
        return []
    near = generation.questions.near(typed)
    best = sorted(near, key=lambda id: (-near[id], id))[: PER_KIND["section"]]
    found = [generation.documents[id] for id in best]
    return [Suggestion(document, document.title) for document in found]


def _parsed(q: str, asked: dict[str, str]) -> Query:
    query = language.parse(q)
    filters = [Filter(name, value.strip().lower()) for name, value in asked.items()]
    filters = [each for each in filters if each.value]
    notes = list(query.notes)
    for each in filters:
        if each.name == "year" and language.years(each.value) is None:
            notes.append(f"“{each.value}” is not a year, so all years are shown")
            filters = [other for other in filters if other is not each]
    narrowed = (*query.filters, *filters)
    return replace(query, filters=narrowed, notes=tuple(notes))


def _passes(document: Document, query: Query) -> bool:
    return all(facets.passes(document, each) for each in query.filters)


def _found(query: Query, generation: Generation) -> ranking.Ranked:
    if not (query.words or query.filters):
        return ranking.Ranked([])
    return ranking.rank(query, generation, lambda document: _passes(document, query))


def _corrected(q: str, corrected: dict[str, str]) -> str | None:
    """The query as it was searched, if a word of it was replaced."""
    if not corrected:
        return None
    for typed, known in corrected.items():
        q = q.replace(typed, known)
    return q


def _exact_url(q: str, asked: dict[str, str], corrected: dict[str, str]) -> str | None:
    if not corrected:
        return None
    parameters = {"q": q, **{name: value for name, value in asked.items() if value}}
    return f"{reverse('search:page')}?{urlencode({**parameters, 'exact': 1})}"


def _hits(
    found: list[tuple[Document, float]], query: Query, generation: Generation
) -> list[Hit]:
    terms = _marked_terms(query, generation)
    telling = (word.text for word in query.wanted if not analysis.is_common(word.text))
    words = " ".join(telling)
    return [
        Hit(
            kind=document.kind, slug=document.slug, title=document.title,
            url=address(document, words), section=document.section,
            snippet=snippets.snippet(document.body, terms), score=round(score, 3),
        )
        for document, score in found
    ]


def _marked_terms(query: Query, generation: Generation) -> set[str]:
    """The terms of all wanted words; a beginning stands for its known words."""
    texts = []
    for word in query.wanted:
        begun = isinstance(word, Prefix)
        texts += generation.lexicon.completions(word.text) if begun else [word.text]
    return {term for text in texts for term in analysis.terms(text)}


def address(document: Document, words: str = "") -> str:
    """The page at the document's place; `?h=` tells it what to mark."""
    url = reverse("catalogue:paper", args=[document.slug])
    if words:
        url += f"?{urlencode({'h': words})}"
    return f"{url}#{quote(document.anchor)}" if document.anchor else url


def _suggested(row: Suggestion) -> tuple[str, str, str]:
    document = row.document
    where = document.title if document.kind == "paper" else ""
    if document.kind == "symbol":
        where = f"{document.paper[0]} · {document.section}"
    return row.label, where, address(document)
