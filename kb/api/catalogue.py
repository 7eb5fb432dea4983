"""Papers, demos and search as JSON."""

from __future__ import annotations

import logging
from dataclasses import asdict

from django.http import Http404
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from demos.specs import DEMOS, Demo
from kb.api import shapes
from kb.api.schema import operation
from kb.catalogue.library import Paper, library
from kb.runs.refusals import Refused
from kb.search import service
from kb.search.documents import KINDS
from kb.search.index import alike
from kb.search.unavailable import NO_INDEX, RETRY_SECONDS, WORDS

log = logging.getLogger(__name__)

MAX_PAGE = 500
NARROW = {
    "kind": ", ".join(KINDS), "part": "", "year": "2021, 2020..2022", "family": "",
    "has": "demo, code, golden",
    "checked": "code, formulas, mixed: what all golden cases of a paper come from.",
}
ASKED = [
    OpenApiParameter("q", str, description="Words, \"phrases\", -not, prefix*, def:"),
    *(
        OpenApiParameter(name, str, description=words) for name, words in NARROW.items()
    ),
    OpenApiParameter("page", int, description=f"From 1 to {MAX_PAGE}."),
    OpenApiParameter("exact", bool, description="Without correction of spelling."),
]


class Search(APIView):
    """The same search as the page's."""

    @operation(
        operation_id="search", parameters=ASKED,
        responses={200: shapes.SearchAnswer, 503: shapes.ErrorAnswer},
    )
    def get(self, request: Request) -> Response:
        """Search papers, their parts, concepts and numbers. Any query is valid.

        503 while there is no index and none can be made.
        """
        given = request.query_params
        page = given.get("page", "")
        # Python refuses to read numbers of thousands of digits.
        number = int(page[:6]) if page.isascii() and page.isdigit() else 1
        try:
            answer = service.search(
                given.get("q", ""), **{name: given.get(name, "") for name in NARROW},
                page=min(max(number, 1), MAX_PAGE),
                exact=given.get("exact", "") not in ("", "0", "false"),
            )
        except NO_INDEX as fault:
            log.error("no search index: %s", fault)
            raise Refused(
                503, "no_index", WORDS, retry_after=RETRY_SECONDS
            ) from fault
        return Response(asdict(answer))


class Papers(APIView):
    """All papers."""

    @operation(operation_id="papers_list", responses=shapes.PaperRow(many=True))
    def get(self, request: Request) -> Response:
        """Every paper, ordered by part, year and title."""
        return Response([row(paper) for paper in library().papers.values()])


class OnePaper(APIView):
    """One paper."""

    @operation(
        operation_id="papers_retrieve",
        responses={200: shapes.PaperAnswer, 404: shapes.ErrorAnswer},
    )
    def get(self, request: Request, slug: str) -> Response:
        """Entry, symbols with their lines, equations, stored answers, BibTeX."""
        paper = library().get(slug)
        if paper is None:
            raise Http404(slug)
        return Response(full(paper))


class Demos(APIView):
    """All demos."""

    @operation(operation_id="demos_list", responses=shapes.DemoAnswer(many=True))
    def get(self, request: Request) -> Response:
        """Every demo with its options and the papers that offer it."""
        return Response([described(demo) for demo in DEMOS.values()])


def described(demo: Demo) -> dict:
    """A demo with the papers whose code can run it."""
    shelf = library().papers.values()
    low, high = demo.images
    options = [asdict(option) for option in demo.options]
    for option in options:
        option["type"] = option.pop("kind")
    return {
        **asdict(demo), "options": options, "images": {"min": low, "max": high},
        "papers": [p.slug for p in shelf if demo in p.demos],
    }


def row(paper: Paper) -> dict:
    """What lists show of a paper."""
    return {
        "slug": paper.slug, "title": paper.title, "short": paper.short,
        "authors": paper.authors, "year": paper.year, "venue": paper.venue,
        "arxiv": paper.arxiv, "part": paper.part, "family": paper.family,
        "tags": paper.tags, "demos": [demo.name for demo in paper.demos],
        "url": reverse("catalogue:paper", args=[paper.slug]),
    }


def full(paper: Paper) -> dict:
    """Everything that is known about a paper."""
    short = row(paper)
    page = short["url"]
    symbols = paper.module.symbols if paper.module else []
    return {
        **short,
        "code": paper.code_url, "aliases": paper.aliases, "follows": paper.follows,
        "builds_on": paper.builds_on, "built_on_by": paper.built_on_by,
        "similar": [other.slug for other in alike(paper)],
        "sections": [
            {"id": s.id, "title": s.title, "text": s.text, "url": f"{page}#{s.id}"}
            for s in paper.sections
        ],
        "symbols": [{**asdict(s), "url": f"{page}#def-{s.name}"} for s in symbols],
        "equations": [
            {
                "number": e.number, "latex": e.latex, "target": e.target,
                "first": e.first, "last": e.last, "url": f"{page}#{e.id}",
            }
            for e in paper.equations
        ],
        "golden": [asdict(case) for case in paper.golden],
        "bibtex": paper.bibtex,
    }
