"""The results page and the suggestions under the search box."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.middleware import HtmxDetails

from kb.catalogue.library import library
from kb.search import facets, service, wording
from kb.search.unavailable import or_unavailable

MAX_PAGE = 500
LABELS = {
    "kind": "Kind", "part": "Part", "family": "Family", "year": "Year",
    "has": "Has", "checked": "Checked against",
}


class SearchRequest(HttpRequest):
    """A request that HtmxMiddleware has seen."""

    htmx: HtmxDetails


@require_safe
@vary_on_headers("HX-Request")  # a cache must not show a part as the whole page
@or_unavailable("search/unavailable.html", "search/_unavailable.html")
def page(request: SearchRequest) -> HttpResponse:
    """Hits for `?q=`; a request by HTMX gets the part below the box alone."""
    asked = {name: request.GET.get(name, "") for name in ("q", *facets.FACETS)}
    exact = "exact" in request.GET
    number = _page_number(request.GET.get("page", ""))
    answer = service.search(**asked, page=number, exact=exact)
    if exact:
        asked["exact"] = "1"
    context = {
        "q": asked["q"],
        "answer": answer,
        "rows": [(hit, _formula(hit)) for hit in answer.results],
        "facets": _facets(answer.facets, asked),
        "narrowed": [(name, asked[name]) for name in facets.FACETS if asked[name]],
        "all": _link({"q": asked["q"]}),
        "previous": _link(asked, page=number - 1) if number > 1 else "",
        "next": (
            _link(asked, page=number + 1)
            if number * service.PAGE_SIZE < answer.count else ""
        ),
    }
    if not request.htmx:
        return render(request, "search/page.html", context)
    response = render(request, "search/_results.html", context)
    response["HX-Replace-Url"] = request.path + _link(asked)
    return response


@require_safe
@or_unavailable("search/_suggest.html", "search/_suggest.html")
def suggest(request: HttpRequest) -> HttpResponse:
    """Places whose names begin as typed, grouped by kind."""
    typed = request.GET.get("q", "")
    return render(
        request, "search/_suggest.html", {"q": typed, "groups": service.suggest(typed)}
    )


def _formula(hit: service.Hit) -> str:
    """The MathML of an equation; "" for other hits, and where it has just gone."""
    paper = library().get(hit.slug) if hit.kind == "equation" else None
    anchor = hit.url.rpartition("#")[2]
    found = (e.mathml for e in (paper.equations if paper else ()) if e.id == anchor)
    return next(found, "")


def _page_number(text: str) -> int:
    """Between 1 and MAX_PAGE, whatever was asked."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1
    return min(max(number, 1), MAX_PAGE)


def _link(asked: dict[str, str], **changed: str | int) -> str:
    """The same search with something changed, as a relative address."""
    merged = {name: value for name, value in {**asked, **changed}.items() if value}
    return f"?{urlencode(merged)}"


def _facets(table: facets.Counts, asked: dict[str, str]) -> list[dict[str, Any]]:
    """Facets as rows of links: one value each, the chosen one leads back."""
    groups = []
    for name, counted in table.items():
        rows = [
            {
                "label": wording.label(name, value), "count": count,
                "chosen": value == asked[name],
                "url": _link(asked, **{name: "" if value == asked[name] else value}),
            }
            for value, count in counted.items()
        ]
        if rows:
            groups.append({"label": LABELS[name], "rows": rows})
    return groups
