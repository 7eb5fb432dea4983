"""Pages that tie papers together. Each view lists what its template gets."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe
from rapidfuzz import process

from kb.catalogue.library import Library, library
from kb.catalogue.papers import Paper
from kb.connections import code, graph, places, recipe, texts
from kb.connections.concepts import concepts as concepts_of
from kb.connections.drawing import draw
from kb.connections.equations import align
from kb.connections.facts import facts, shared_tags
from kb.connections.matrix import matrix
from kb.connections.quoting import idea
from kb.connections.results import contests
from kb.connections.suggestions import comparable, suggestions
from kb.results.table import published


@require_safe
def choose(request: HttpRequest) -> HttpResponse:
    """`connections/choose.html`; with GET parameters a and b on to that comparison.

    papers: those that can be compared
    suggestions: list of Suggestion(a, b, reasons)
    a, b: what has been chosen so far
    """
    a, b = request.GET.get("a", ""), request.GET.get("b", "")
    shelves = library()
    left, right = _comparable(shelves, a), _comparable(shelves, b)
    if left and right:
        return redirect("connections:compare", left.slug, right.slug)
    if a and b:
        return _not_comparable(request, shelves, a, b)
    return _choices(request, shelves, a, b)


@require_safe
def compare(request: HttpRequest, a: str, b: str) -> HttpResponse:
    """`connections/compare.html`; GET parameters code=1, view=file.

    a, b: Paper. ideas: (Paper, list of safe HTML). shared: tags of both
    facts: list of Fact(name, left, right)
    meetings: list of Meeting(left, right, landmark); left, right: Equation or None
    recipes: Recipes(differing, equal, only_left, only_right)
    contests: list of Contest(dataset, protocol, metric, left, right); rows of results
    pairs: list of Pair(left, right, alike, borrowed); left, right: Symbol or None
    answers: list of Answer(pair, html), empty when the files are shown whole
    whole: the files' difference as safe HTML, or ""
    code_only, by_file: what is chosen
    """
    shelves = library()
    left, right = _comparable(shelves, a), _comparable(shelves, b)
    if left is None or right is None or left is right:
        return _not_comparable(request, shelves, a, b)
    if (left.slug, right.slug) != (a, b):
        return redirect("connections:compare", left.slug, right.slug, permanent=True)
    code_only = request.GET.get("code") == "1"
    by_file = request.GET.get("view") == "file"
    pairs = code.pairs(left, right)
    context = {
        "a": left,
        "b": right,
        "ideas": [(paper, idea(paper)) for paper in (left, right)],
        "shared": shared_tags(left, right),
        "facts": facts(left, right),
        "meetings": align(left.equations, right.equations),
        "recipes": recipe.compare(left, right),
        "contests": contests(published(), left, right),
        "pairs": pairs,
        "answers": (
            [] if by_file else code.answers(left, right, pairs, code_only=code_only)
        ),
        "whole": code.whole(left, right, code_only=code_only) if by_file else "",
        "code_only": code_only,
        "by_file": by_file,
    }
    return render(request, "connections/compare.html", context)


def _comparable(shelves: Library, slug: str) -> Paper | None:
    """The entry with code of this name, in any spelling of the address."""
    paper = shelves.get(slug) or shelves.get(slug.lower().replace("-", "_"))
    return paper if paper and paper.module else None


def _not_comparable(
    request: HttpRequest, shelves: Library, a: str, b: str
) -> HttpResponse:
    """The page to choose on, with what was wrong and what was probably meant."""
    found = _comparable(shelves, a), _comparable(shelves, b)
    if all(found):
        message = "A paper does not differ from itself. Choose another beside it."
        return _choices(request, shelves, a, "", message)
    unknown = [slug for slug, paper in zip((a, b), found, strict=True) if not paper]
    message = f"There is no paper with code named {' or '.join(unknown)}."
    meant = [
        paper or near if (near := shelves.nearest(slug)) and near.module else paper
        for slug, paper in zip((a, b), found, strict=True)
    ]
    slugs = [paper.slug if paper else "" for paper in meant]
    return _choices(request, shelves, slugs[0], slugs[1], message)


def _choices(
    request: HttpRequest, shelves: Library, a: str, b: str, message: str = ""
) -> HttpResponse:
    """With a message the page answers 404: what was asked for is not here."""
    papers = comparable(shelves)
    meant = shelves.get(a), shelves.get(b)
    context = {
        "papers": papers, "suggestions": suggestions(papers), "a": a, "b": b,
        "message": message,
        "meant": meant if message and all(meant) and a != b else None,
    }
    status = 404 if message else 200
    return render(request, "connections/choose.html", context, status=status)


@require_safe
def concepts(request: HttpRequest) -> HttpResponse:
    """`connections/concepts.html`

    rows: list of (Concept, first paragraph in plain words, number of papers with it)
    """
    shelves = library()
    rows = [
        (one, texts.gist(texts.lesson(one, shelves)), len(places.uses(one, shelves)))
        for one in concepts_of().values()
    ]
    return render(request, "connections/concepts.html", {"rows": rows})


@require_safe
def concept(request: HttpRequest, name: str) -> HttpResponse:
    """`connections/concept.html`; a name that does not exist gets the nearest one.

    concept: Concept. text: safe HTML
    uses: list of Use(paper, words, code, texts, equations, count)
    count: number of places in all
    matrix: Matrix(columns, lines), false where nothing is weighed
    related: list of Concept. previous, next: Concept or None
    """
    shelves, known = library(), concepts_of()
    one = known.get(name)
    if one is None:
        return _no_concept(request, name)
    found = places.uses(one, shelves)
    order = list(known.values())
    position = order.index(one)
    context = {
        "concept": one,
        "text": texts.lesson(one, shelves),
        "uses": found,
        "count": sum(use.count for use in found),
        "matrix": matrix(one, known, shelves),
        "related": [known[other] for other in one.related if other in known],
        "previous": order[position - 1] if position else None,
        "next": order[position + 1] if position + 1 < len(order) else None,
    }
    return render(request, "connections/concept.html", context)


def _no_concept(request: HttpRequest, name: str) -> HttpResponse:
    known = concepts_of()
    plain = name.lower().replace("-", "_")
    if plain in known:
        return redirect("connections:concept", plain, permanent=True)
    near = process.extractOne(plain, known.keys(), score_cutoff=60)
    context = {"meant": known[near[0]] if near else None, "name": name}
    return render(request, "connections/no_concept.html", context, status=404)


@require_safe
def map_page(request: HttpRequest) -> HttpResponse:
    """`connections/map.html`

    drawing: Drawing(width, height, lanes, lines, nodes)
    rows: list of {paper, ties}: what it builds on, is built on by, answers, is
          answered by, each a list of Paper
    """
    shelves = library()
    followed = graph.followers(shelves)
    rows = [
        {
            "paper": paper,
            "ties": [
                [shelves.papers[slug] for slug in slugs if slug in shelves.papers]
                for slugs in (
                    paper.builds_on, paper.built_on_by, paper.follows,
                    followed[paper.slug],
                )
            ],
        }
        for paper in shelves.papers.values() if not paper.is_note
    ]
    context = {"drawing": draw(shelves), "rows": rows}
    return render(request, "connections/map.html", context)
