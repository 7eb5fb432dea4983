"""References as files to take away."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from kb.catalogue.library import library
from kb.catalogue.papers import Paper


@require_safe
def paper(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """One paper's reference; `404.html` with `suggestion` (Paper or None) otherwise."""
    found = library().get(slug)
    if found is None or found.is_note:
        context = {"suggestion": None if found else library().nearest(slug)}
        return render(request, "404.html", context, status=404)
    return _file([found], name, stem=slug)


@require_safe
def everything(request: HttpRequest, name: str) -> HttpResponse:
    """The references of all our papers, in the order of the shelves."""
    from kb.exchange.formats import citable

    return _file(citable(library().papers.values()), name, stem="references")


def _file(papers: Iterable[Paper], name: str, *, stem: str) -> HttpResponse:
    from kb.exchange.formats import FORMATS  # its libraries: not needed to start

    style = FORMATS[name]
    response = HttpResponse(style.write(papers), content_type=style.content_type)
    response["Content-Disposition"] = f'attachment; filename="{stem}.{style.suffix}"'
    return response
