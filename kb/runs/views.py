"""Pages of runs. Each view fetches, asks a service and renders."""

from __future__ import annotations

from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from kb.runs import pages, services
from kb.runs.access import any_run, own_run
from kb.runs.board import board
from kb.runs.events import events_after, state_of
from kb.runs.files import file_response
from kb.runs.models import FINAL, State
from kb.runs.offline import self_contained
from kb.runs.showcase import families
from kb.runs.streams import PER_VISITOR, has_room, stream, until_over
from kb.runs.visitors import visitor_of

WAIT_SECONDS = 2.0  # how long a page may be held until its run is over
TOO_MANY = (
    f"{PER_VISITOR} of your pages are listening already. This one can ask for the "
    "same events as JSON instead, as often as it needs them."
)


@require_safe
def demos(request: HttpRequest) -> HttpResponse:
    """Every demo by family, each with its example."""
    found = families()
    cards = [card for family in found for card in family.cards]
    papers = {paper.slug for card in cards for paper in card.papers}
    context = {"families": found, "demos": len(cards), "papers": len(papers)}
    return render(request, "runs/demos.html", context)


@never_cache
@require_safe
def detail(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """One run, from its first moment to its result."""
    run = any_run(run_id)
    return render(request, "runs/detail.html", pages.run_context(request, run))


@never_cache
@require_safe
async def status(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """The live part of the page alone; with `?wait=1` as soon as the run is over."""
    if "wait" in request.GET:
        await until_over(run_id, WAIT_SECONDS)
    return await sync_to_async(live_part)(request, run_id)


def live_part(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """What the page of a run replaces when something has happened."""
    run = any_run(run_id)
    return render(request, "runs/_status.html", pages.run_context(request, run))


@require_safe
def offline(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """The result as one file that needs nothing else, to keep or to send."""
    run = any_run(run_id)
    if run.state != State.DONE:
        raise Http404("there is no result")
    return self_contained(request, run)


@require_GET
async def events(
    request: HttpRequest, run_id: UUID
) -> HttpResponse | StreamingHttpResponse:
    """The run's events: a stream, or the ones after `?after=` for who asks for JSON."""
    state = await sync_to_async(state_of)(run_id)
    if state is None:
        raise Http404("no such run")
    raw = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
    seq = int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 10 else 0
    if "application/json" in request.headers.get("Accept", ""):
        found = await sync_to_async(events_after)(run_id, seq)
        answer = JsonResponse({"events": found, "over": state in FINAL})
        answer["Cache-Control"] = "no-store"
        return answer
    visitor = visitor_of(request).id
    if not has_room(visitor):
        headers = {"Retry-After": "15"}
        return HttpResponse(TOO_MANY, "text/plain", 429, headers=headers)
    response = StreamingHttpResponse(
        stream(run_id, seq, visitor), content_type="text/event-stream"
    )
    response["Cache-Control"] = "no-cache, no-transform"
    # Named, so that GZipMiddleware leaves the stream alone; for nginx the second one.
    response["Content-Encoding"] = "identity"
    response["X-Accel-Buffering"] = "no"
    return response


@require_safe
def file(request: HttpRequest, run_id: UUID, name: str) -> HttpResponse:
    """A picture or download that the run's row lists."""
    return file_response(any_run(run_id), name)


@require_POST
def cancel(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Stop the run and show its page."""
    run = own_run(request, run_id)
    services.cancel(run, visitor_of(request))
    return redirect(run)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Ask whether it is meant; then remove the run and go to where the next starts."""
    run = own_run(request, run_id)
    if request.method != "POST":
        context = pages.run_context(request, run)
        return render(request, "runs/delete.html", context)
    services.delete(run, visitor_of(request))
    return redirect("runs:new", slug=run.paper, demo=run.demo)


@require_POST
def pin(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Keep the result for good (`keep=1`), or no longer."""
    run = own_run(request, run_id)
    services.keep(run, request.POST.get("keep") == "1")
    return redirect(run)


@never_cache
@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """What waits and works, without anybody's pictures; own runs are links."""
    return render(request, "runs/queue.html", board(visitor_of(request)))
