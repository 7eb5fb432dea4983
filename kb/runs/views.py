"""Pages of runs. Each view fetches, asks a service and renders."""

from __future__ import annotations

from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseForbidden,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from demos.specs import DEMOS
from kb.catalogue.library import library
from kb.runs import orders, pages, services
from kb.runs.events import events_after, state_of, stream
from kb.runs.files import file_response
from kb.runs.forms import RunForm
from kb.runs.models import FINAL, UNFINISHED, Run, State
from kb.runs.queue import waiting
from kb.runs.refusals import Refused
from kb.runs.visitors import introduce, visitor_of


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, slug: str, demo: str) -> HttpResponse:
    """The form of a demo for a paper; a good POST leads to the run's own page."""
    paper = library().get(slug)
    if paper is None or demo not in {one.name for one in paper.demos}:
        raise Http404(f"{slug} offers no demo {demo}")
    spec = DEMOS[demo]
    source = source_run(request)
    context = pages.form_context(paper, spec, source)
    if request.method != "POST":
        initial = source.options if source else None
        context["form"] = RunForm(spec, initial=initial, reuse=source is not None)
        page = render(request, "runs/new.html", context)
        return introduce(request, page)
    kept = kept_pictures(request, source)
    form = RunForm(spec, request.POST, request.FILES, reuse=kept is not None)
    context["form"], status = form, 400
    if form.is_valid():
        options = form.cleaned_data["options"]
        try:
            order = orders.make_order(spec, slug, options, request.FILES, kept=kept)
            run, _ = services.submit(order, visitor_of(request))
            return redirect(run)
        except Refused as refused:
            form.add_error(
                refused.field if refused.field in form.fields else None,
                refused.message,
            )
            status = refused.status
    return introduce(request, render(request, "runs/new.html", context, status=status))


def source_run(request: HttpRequest) -> Run | None:
    """The run named in `from`, whose options and pictures are taken over."""
    raw = request.POST.get("from") or request.GET.get("from", "")
    try:
        return Run.objects.filter(pk=UUID(raw)).first()
    except ValueError:
        return None


def kept_pictures(request: HttpRequest, source: Run | None) -> orders.Kept | None:
    """What to use where no picture was sent: the example, or those of `source`."""
    if "example" in request.POST:
        return orders.EXAMPLE
    return orders.Kept(source.folder, source.images) if source else None


@never_cache
@require_safe
def detail(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """One run, from its first moment to its result."""
    run = get_object_or_404(Run, pk=run_id)
    return render(request, "runs/detail.html", context_of(request, run))


@never_cache
@require_safe
def status(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """The live part of the page alone."""
    run = get_object_or_404(Run, pk=run_id)
    return render(request, "runs/_status.html", context_of(request, run))


def context_of(request: HttpRequest, run: Run) -> dict:
    """The context that the page and its live part share."""
    return pages.run_context(run, visitor_of(request))


@require_GET
async def events(
    request: HttpRequest, run_id: UUID
) -> JsonResponse | StreamingHttpResponse:
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
    response = StreamingHttpResponse(
        stream(run_id, seq), content_type="text/event-stream"
    )
    response["Cache-Control"] = "no-store, no-transform"
    # Named, so that GZipMiddleware leaves the stream alone; for nginx the second one.
    response["Content-Encoding"] = "identity"
    response["X-Accel-Buffering"] = "no"
    return response


@require_safe
def file(request: HttpRequest, run_id: UUID, name: str) -> HttpResponse:
    """A picture or download that the run's row lists."""
    return file_response(get_object_or_404(Run, pk=run_id), name)


@require_POST
def cancel(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Stop the run and show its page."""
    run, visitor = get_object_or_404(Run, pk=run_id), visitor_of(request)
    if not services.owns(run, visitor):
        return HttpResponseForbidden("Only who started a run can cancel it.")
    services.cancel(run, visitor)
    return redirect(run)


@require_POST
def delete(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Remove the run and go to where another one can be started."""
    run, visitor = get_object_or_404(Run, pk=run_id), visitor_of(request)
    if not services.owns(run, visitor):
        return HttpResponseForbidden("Only who started a run can delete it.")
    services.delete(run, visitor)
    return redirect("runs:new", slug=run.paper, demo=run.demo)


@require_POST
def pin(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Keep the result for good (`keep=1`), or no longer."""
    run, visitor = get_object_or_404(Run, pk=run_id), visitor_of(request)
    if not services.owns(run, visitor):
        return HttpResponseForbidden("Only who started a run can keep it.")
    services.keep(run, request.POST.get("keep") == "1")
    return redirect(run)


@never_cache
@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """What waits and works, without anybody's pictures; own runs are links."""
    visitor = visitor_of(request)
    own = set(
        Run.objects.filter(tickets__visitor=visitor.id, state__in=UNFINISHED)
        .values_list("pk", flat=True)
    )
    working = Run.objects.filter(state__in=[State.RUNNING, State.CANCELLING])
    mine = Run.objects.filter(tickets__visitor=visitor.id).distinct()
    return render(request, "runs/queue.html", {
        "working": [(run, run.pk in own) for run in working.order_by("started")],
        "waiting": [(run, run.pk in own) for run in waiting()],
        "mine": mine.order_by("-created")[:20],
    })
