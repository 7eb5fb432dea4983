"""The one door to search, for the page, the API and the shell alike."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.urls import reverse

from kb.search import (
    analysis,
    called,
    facets,
    language,
    numbers,
    ranking,
    snippets,
    wording,
)
from kb.search.addresses import address
from kb.search.documents import Document
from kb.search.generations import Generation
from kb.search.index import live_index
from kb.search.language import Filter, Prefix, Query, Word
from kb.search.shelf import Hits
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
    checked: str = "",
    page: int = 1,
    exact: bool = False,
) -> Answer:
    """Search papers, their parts, concepts, numbers and demos. Any text will do.

    The keywords narrow like the same words in the query (`part:video`); a year is
    `2021` or `2020..2022`. exact: search as typed, without correction. Pages count
    from 1 and hold PAGE_SIZE hits.
    """
    started = time.perf_counter()
    q = q.encode(errors="replace").decode()  # no address can hold half a character
    asked = {"kind": kind, "part": part, "year": str(year)}
    asked |= {"family": family, "has": has, "checked": checked}
    generation = live_index().generation()
    query = _parsed(q, asked)
    corrected: dict[str, str] = {}
    if not exact:
        query, corrected = ranking.respell(query, generation)
        query = _without_unknown(query, generation)
    found = _found(query, generation)
    name = called.uncalled(query, found.hits, generation)
    near = query
    if name and not exact:
        near = called.nearer(query, name, found.hits, generation)
    as_typed = near is query and not corrected
    if near is not query:
        query, found = near, _found(near, generation)
    kept = found.hits.keep(query.filters)
    if name:
        query = _with_note(query, name, kept)
    first = (max(page, 1) - 1) * PAGE_SIZE
    query_said = Understood(
        wording.sentence(
            query, corrected, loosened=found.loosened, complete=found.complete
        ),
        _corrected(q, corrected), None if as_typed else _exact_url(q, asked),
    )
    return Answer(
        count=len(kept),
        took_ms=round(1000 * (time.perf_counter() - started), 1),
        query=query_said,
        facets=facets.counts(found.hits, query.filters),
        results=_hits(kept[first : first + PAGE_SIZE], query, generation),
    )


def _with_note(query: Query, name: str, kept: Hits) -> Query:
    shown = ", so this shows what is near" if kept else ""
    if called.is_said(name, kept):
        shown = "; these places speak of it"
    note = f"nothing here is called “{name}”{shown}"
    return replace(query, notes=(*query.notes, note))


def suggest(typed: str) -> dict[str, list[tuple[str, str, str]]]:
    """Places by kind whose names begin so: (label, where it stands, address).

    The label of a section or demo says by itself where it stands. After few of them
    follow those that are nearly asked.
    """
    generation = live_index().generation()
    by_kind = generation.suggester.suggest(typed)
    asked = _nearly_asked(typed, generation)
    for kind in ("demo", "section"):
        named = by_kind.pop(kind, [])
        known = {row.document.id for row in named}
        near = (each for each in asked.get(kind, []) if each.document.id not in known)
        if rows := [*named, *near][: PER_KIND[kind]]:
            by_kind[kind] = rows
    return {kind: [_suggested(row) for row in rows] for kind, rows in by_kind.items()}


def _nearly_asked(typed: str, generation: Generation) -> dict[str, list[Suggestion]]:
    """Questions and demos near to what is typed, by kind; none for a single word."""
    typed = typed[:LONGEST_TEXT]
    if len(set(analysis.terms(typed))) < 2:
        return {}
    near = generation.questions.near(typed)
    by_kind: dict[str, list[Suggestion]] = {}
    for id in sorted(near, key=lambda id: (-near[id], id)):
        found = generation.documents[id]
        by_kind.setdefault(found.kind, []).append(Suggestion(found, found.title))
    return by_kind


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


def _without_unknown(query: Query, generation: Generation) -> Query:
    """Words that nothing here says are left out, unless nothing would remain."""
    knows = generation.lexicon.knows
    unknown = [
        word for word in query.wanted
        if type(word) is Word and not word.place and not knows(word.text)
    ]
    rest = tuple(word for word in query.words if word not in unknown)
    nothing = all(analysis.is_common(word.text) for word in rest if not word.negated)
    name = " ".join(word.text for word in query.wanted)
    if not unknown or nothing or called.is_name(name, generation):
        return query
    left_out = wording.listed([f"“{word.text}”" for word in unknown], "or")
    note = f"nothing here says {left_out}, so that was left out"
    return replace(query, words=rest, notes=(*query.notes, note))


def _found(query: Query, generation: Generation) -> ranking.Ranked:
    found = ranking.rank(query, generation)
    if not all(word.place == "def" for word in query.wanted or [Word("")]):
        return found
    return replace(found, hits=found.hits.keep([Filter("kind", "symbol")]))


def _corrected(q: str, corrected: dict[str, str]) -> str | None:
    """The query as it was searched, if a word of it was replaced."""
    if not corrected:
        return None
    for typed, known in corrected.items():
        q = re.sub(rf"\b{re.escape(typed)}\b", known, q)
    return q


def _exact_url(q: str, asked: dict[str, str]) -> str:
    parameters = {"q": q, **{name: value for name, value in asked.items() if value}}
    return f"{reverse('search:page')}?{urlencode({**parameters, 'exact': 1})}"


def _hits(
    found: Hits, query: Query, generation: Generation
) -> list[Hit]:
    terms = _marked_terms(query, generation)
    telling = (word.text for word in query.wanted if not analysis.is_common(word.text))
    words = " ".join(telling)
    return [
        Hit(
            kind=document.kind, slug=document.slug, title=document.title,
            url=address(document, words), section=document.section,
            snippet=snippets.snippet(_body(document, words), terms),
            score=round(score, 3),
        )
        for document, score in found
    ]


def _body(document: Document, words: str) -> str:
    result = document.kind == "result"
    return numbers.told(document, words) if result else document.body


def _marked_terms(query: Query, generation: Generation) -> set[str]:
    """The terms of all wanted words; a beginning stands for its known words."""
    texts = []
    for word in query.wanted:
        begun = isinstance(word, Prefix)
        texts += generation.lexicon.completions(word.text) if begun else [word.text]
    return {term for text in texts for term in analysis.terms(text)}


def _suggested(row: Suggestion) -> tuple[str, str, str]:
    document = row.document
    where = document.title
    if document.kind == "symbol":
        where = f"{document.paper[0]} · {document.section}"
    return row.label, where if where != row.label else "", address(document)
