"""No index, and none can be made: no bug, but a state that has a remedy."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from kb.search.generations import IndexBusy, IndexUnwritable

log = logging.getLogger(__name__)

NO_INDEX = (IndexBusy, IndexUnwritable)
RETRY_SECONDS = 30
# The fault itself names folders of this machine: it is for the log and the doctor.
WORDS = (
    "There is no search index yet, and none can be made now. Whoever runs this site "
    "finds the reason and the remedy with “manage.py doctor”."
)

View = Callable[..., HttpResponse]


def or_unavailable(page: str, part: str) -> Callable[[View], View]:
    """Without any index a view answers 503 with a template, which gets `words`.

    part: the template for a request by HTMX.
    """

    def wrap(view: View) -> View:
        @wraps(view)
        def answer(request: HttpRequest) -> HttpResponse:
            try:
                return view(request)
            except NO_INDEX as fault:
                log.error("no search index: %s", fault)
                asked = {"words": WORDS, "q": request.GET.get("q", "")}
                template = part if "HX-Request" in request.headers else page
                refused = render(request, template, asked, status=503)
                refused["Retry-After"] = str(RETRY_SECONDS)
                return refused

        return answer

    return wrap
