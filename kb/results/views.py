"""The page of results and its exports. Each view answers the same parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from kb.catalogue.library import library
from kb.results import choice as choices
from kb.results import export, questions
from kb.results.choice import Choice, Refused
from kb.results.comparing import compare
from kb.results.headings import headings
from kb.results.sources import address
from kb.results.table import Row, published

PAGE_SIZE = 60
Answer = Callable[[HttpRequest, list[Row], Choice], HttpResponse]


def answering(view: Answer) -> Callable[[HttpRequest], HttpResponse]:
    """Gives a view all rows and the choice in the request.

    What cannot be answered is a page that says what to ask instead: 404 for a paper
    that does not exist, with the one that was probably meant, else 400.
    """

    @require_safe
    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        rows, ready = published(), request.GET.get("view")
        try:
            choice = (
                questions.named(ready, rows) if ready
                else choices.asked(request.GET, library().papers)
            )
        except Refused as refused:
            return _refusal(request, refused)
        return view(request, rows, choice)

    return answer


def _refusal(request: HttpRequest, refused: Refused) -> HttpResponse:
    unknown = refused.parameter == "paper"
    context = {
        "message": refused.message,
        "meant": library().nearest(refused.value) if unknown else None,
    }
    return render(request, "results/refused.html", context, status=refused.status)


@answering
def page(request: HttpRequest, rows: list[Row], choice: Choice) -> HttpResponse:
    """`results/page.html`; GET parameters as in `choice.LABELS`, method, sort, page;
    or view, the name of one of `questions.VIEWS`.

    rows: one page (of a Paginator); shown: (Row, name and address of its entry,
          address of its source or "") for each
    prefix: the question, for links to other pages
    facets: list of Facet(name, label, options), as on the list of papers, each with
            at most `offered` options besides those that are chosen
    chosen: the Options that are chosen, each with the query that takes it away
    headings: list of Heading(column, label, query, direction)
    comparison: Comparison(sentence, plot, offers) once something is chosen, and
    questions: list of Offer(label, count, query) until then
    paper: the Paper that is chosen alone, or None
    """
    names = {slug: paper.short for slug, paper in library().papers.items()}
    found = choices.chosen(rows, choice)
    shown = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    facets = choices.facets(rows, choice, names)
    alone = choice.values.get("paper", frozenset())
    context = {
        "choice": choice,
        "total": len(rows),
        "rows": shown,
        "shown": [
            (row, names[row.paper], export.entry(row.paper), address(row.source))
            for row in shown
        ],
        "prefix": f"{choice.query}&" if choice.query else "",
        "facets": facets,
        "offered": choices.OFFERED,
        "chosen": choices.taken(facets, choice),
        "headings": headings(choice),
        "comparison": compare(found, choice, names) if choice.narrowed else None,
        "questions": [] if choice.narrowed else questions.offers(rows),
        "paper": library().get(*alone) if len(alone) == 1 else None,
    }
    return render(request, "results/page.html", context)


@answering
def csv(request: HttpRequest, rows: list[Row], choice: Choice) -> HttpResponse:
    """The chosen rows as a file for spreadsheets."""
    text = export.as_csv(choices.chosen(rows, choice))
    answer = HttpResponse(text, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="results.csv"'
    return answer


@answering
def json(request: HttpRequest, rows: list[Row], choice: Choice) -> HttpResponse:
    """The chosen rows as a file, with the fields and the question."""
    found = export.as_data(choices.chosen(rows, choice), choice)
    answer = JsonResponse(found, json_dumps_params={"indent": 1, "ensure_ascii": False})
    answer["Content-Disposition"] = 'attachment; filename="results.json"'
    return answer
