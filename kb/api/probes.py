"""For machines that watch the site: alive, ready, and numbers for Prometheus."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict

from django.http import (
    HttpRequest,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
)
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from kb.gate.address import address_of
from kb.operations.outside import PAUSE, PIECES


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers; asks nothing of anybody else."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Each part in a sentence; 503 where one is missing that pages need."""
    from kb.operations.readiness import ask

    parts = ask()
    ready = all(part.ok for part in parts.values() if part.needed)
    told = {name: asdict(part) for name, part in parts.items()}
    answer = {"ready": ready, "parts": told}
    return JsonResponse(answer, status=200 if ready else 503)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format."""
    from kb.operations.metrics import exposition

    return HttpResponse(exposition(), content_type="text/plain; version=0.0.4")


@require_GET
async def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Whom the site takes the asker for, then pieces: for `doctor --url`.

    Under the same headers as the progress of a run, because the question is what a
    proxy makes of those.
    """
    response = StreamingHttpResponse(
        pieces(seen(request)), content_type="text/event-stream"
    )
    response["Cache-Control"] = "no-store, no-transform"
    response["Content-Encoding"] = "identity"
    response["X-Accel-Buffering"] = "no"
    return response


def seen(request: HttpRequest) -> dict[str, object]:
    """The asker as the site sees it, and what those on the way said of it."""
    said = request.headers.get("X-Forwarded-For", "")
    return {
        "address": address_of(request),
        "secure": request.is_secure(),
        "host": request.get_host(),
        "hops": [hop.strip() for hop in said.split(",") if hop],
    }


async def pieces(first: dict[str, object]) -> AsyncIterator[bytes]:
    """As many as `doctor` waits for."""
    yield f"data: {json.dumps(first)}\n\n".encode()
    for piece in range(1, PIECES):
        await asyncio.sleep(PAUSE)
        yield f"data: {piece}\n\n".encode()
