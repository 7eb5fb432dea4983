"""What every request passes first: a name, headers on the way out, and a count."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from prometheus_client import Histogram

from kb.gate.logs import serving

log = logging.getLogger("kb.requests")

GIVEN_ID = re.compile(r"[\w.-]{8,64}", re.ASCII)
HEADERS = {
    # Nothing of a reader's device is ever asked for.
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), "
    "microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
ANSWERED = Histogram(
    "vitrine_http_seconds",
    "Seconds from a request to the head of its answer, in this process.",
    ["method", "route", "status"], buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)


class Entrance:
    """Outermost, so that no answer leaves without passing it.

    Written for both kinds of server, because a middleware of the simple kind costs
    every asynchronous request a hop into a thread.
    """

    sync_capable = async_capable = True

    def __init__(
        self,
        get_response: Callable[[HttpRequest], HttpResponseBase]
        | Callable[[HttpRequest], Awaitable[HttpResponseBase]],
    ):
        self.get_response = get_response
        self.asynchronous = iscoroutinefunction(get_response)
        if self.asynchronous:
            markcoroutinefunction(self)

    def __call__(
        self, request: HttpRequest
    ) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Pass the request on."""
        if self.asynchronous:
            return self.__acall__(request)
        started = enter(request)
        try:
            return leave(request, self.get_response(request), started)  # type: ignore[arg-type]
        finally:
            serving(None)  # the thread goes on; a task ends with its request

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        started = enter(request)
        response = await self.get_response(request)  # type: ignore[misc]
        return leave(request, response, started)


def enter(request: HttpRequest) -> float:
    """Name the request, as the proxy in front did or anew; the time it came."""
    given = request.headers.get("X-Request-ID", "")
    request.id = given if GIVEN_ID.fullmatch(given) else uuid.uuid4().hex  # type: ignore[attr-defined]
    serving(request)
    return time.perf_counter()


def leave(
    request: HttpRequest, response: HttpResponseBase, started: float
) -> HttpResponseBase:
    """Put the headers on, count, and write the line of this request."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-ID"] = request.id  # type: ignore[attr-defined]
    seconds = time.perf_counter() - started
    # A route and not a path, and no made-up methods: strangers must not make labels.
    route = request.resolver_match.route if request.resolver_match else "none"
    method = request.method if request.method in METHODS else "other"
    ANSWERED.labels(method, route, response.status_code).observe(seconds)
    log.info(
        "%s %s %s", request.method, request.path, response.status_code,
        extra={"said": {
            "method": request.method, "path": request.path, "route": route,
            "status": response.status_code, "ms": round(1000 * seconds, 1),
        }},
    )
    return response
