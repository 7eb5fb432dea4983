"""At most so many expensive requests a minute from one address.

The fair queue limits what a visitor may have running; this keeps one address from
keeping the web process busy. A cookie does not count here: whoever drops it comes
from the same address still.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from kb.gate.address import address_of, is_own_machine, neighbourhood
from kb.gate.later import later

WINDOW = 60  # seconds
READING = ("GET", "HEAD")
# View name -> which limit its requests count for, and their methods.
COUNTED = {
    "search:page": ("search", READING),
    "search:suggest": ("search", READING),
    "api:search": ("search", READING),
    "connections:compare": ("compare", READING),
    "runs:events": ("events", READING),
    "runs:new": ("runs", ("POST",)),
    "api:runs": ("runs", ("POST",)),
}
WORDS = {
    "search": "searches", "compare": "comparisons", "events": "looks at a run",
    "runs": "runs",
}


class Limits(MiddlewareMixin):
    """Answers 429 with Retry-After and a sentence where the minute is used up."""

    def process_view(
        self, request: HttpRequest, view: Callable, args: tuple, kwargs: dict
    ) -> HttpResponse | None:
        """Count the request; None lets it pass."""
        match = request.resolver_match
        name, methods = COUNTED.get(match.view_name if match else "", ("", ()))
        if request.method not in methods or is_own_machine(address_of(request)):
            return None
        limit = settings.REQUESTS_PER_MINUTE[name]
        now = time.time()
        if count(f"{name} {neighbourhood(address_of(request))}", now) <= limit:
            return None
        return refuse(request, name, limit, ceil(WINDOW - now % WINDOW))


def count(key: str, now: float) -> int:
    """How many of these there were in the present window, this one included."""
    key = f"limit {int(now // WINDOW)} {key}".replace(" ", ":")
    cache.add(key, 0, timeout=2 * WINDOW)
    try:
        return cache.incr(key)
    except ValueError:  # thrown out of a full cache a moment ago
        return 1


def refuse(request: HttpRequest, name: str, limit: int, wait: int) -> HttpResponse:
    """429 in the shape of the API, or as a page."""
    message = (
        f"More than {limit} {WORDS[name]} came from your address within a minute. "
        f"Try again in {wait} s."
    )
    return later(
        request, 429, "too_many_requests", "Too many requests", message, wait
    )
