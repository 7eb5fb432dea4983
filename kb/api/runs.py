"""Runs as JSON: submit, look, cancel, delete."""

from __future__ import annotations

import json
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter
from rest_framework import status
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from kb.api import shapes
from kb.api.schema import operation
from kb.runs import orders, pages, queue, services
from kb.runs.access import any_run, own_run
from kb.runs.models import Run
from kb.runs.refusals import Refused
from kb.runs.visitors import visitor_of

REFUSALS = dict.fromkeys((400, 413, 415, 429), shapes.ErrorAnswer)
KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER,
    description="The same key from the same visitor gives the same run.",
)


class Runs(APIView):
    """POST only: runs are found by their id, never listed."""

    parser_classes = (MultiPartParser, FormParser)

    @operation(
        operation_id="runs_create", request={"multipart/form-data": shapes.Submission},
        parameters=[KEY],
        responses={201: shapes.Submitted, 200: shapes.Submitted, **REFUSALS},
    )
    def post(self, request: Request) -> Response:
        """Submit a run. 200 instead of 201 where an identical run is shared."""
        visitor = visitor_of(request)
        key = orders.check_key(request.headers.get("Idempotency-Key"))
        if run := services.earlier(visitor, key):
            return Response(submitted(run))
        paper, demo = text(request, "paper"), text(request, "demo")
        spec = orders.offered(paper, demo)
        options = orders.check(spec, raw_options(request))
        patience = orders.check_deadline(form(request).get("deadline"))
        order = orders.make_order(
            spec, paper, options, request.FILES, key=key, patience=patience
        )
        run, created = services.submit(order, visitor)
        code = status.HTTP_201_CREATED if created else status.HTTP_200_OK
        return Response(submitted(run), status=code, headers={"Location": run_url(run)})


class OneRun(APIView):
    """One run by its id."""

    @operation(
        operation_id="runs_retrieve",
        responses={200: shapes.RunAnswer, 404: shapes.ErrorAnswer},
    )
    def get(self, request: Request, run_id: UUID) -> Response:
        """The run as it stands. Always right, whatever became of a stream."""
        return Response(described(any_run(run_id)))

    @operation(
        operation_id="runs_destroy",
        responses={204: None, **dict.fromkeys((403, 404), shapes.ErrorAnswer)},
    )
    def delete(self, request: Request, run_id: UUID) -> Response:
        """Remove the run, its pictures and its results at once."""
        run = own_run(request, run_id)
        services.delete(run, visitor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class CancelRun(APIView):
    """Stop one run."""

    @operation(
        operation_id="runs_cancel", request=None,
        responses={
            200: shapes.RunAnswer, **dict.fromkeys((403, 404), shapes.ErrorAnswer),
        },
    )
    def post(self, request: Request, run_id: UUID) -> Response:
        """Cancel the run; again is no harm. It goes on where somebody else waits."""
        run = own_run(request, run_id)
        services.cancel(run, visitor_of(request))
        run.refresh_from_db()
        return Response(described(run))


def form(request: Request) -> dict:
    """What was sent; the parsers of forms make no lists."""
    assert isinstance(request.data, dict)
    return request.data


def text(request: Request, name: str) -> str:
    """A text field of the form. Raises Refused where it is missing."""
    value = form(request).get(name)
    if not isinstance(value, str) or not value:
        raise Refused(400, "missing", f"The field {name} is missing.", name)
    return value


def raw_options(request: Request) -> dict:
    """The options as sent: one JSON object, or nothing. Raises Refused."""
    raw = form(request).get("options") or "{}"
    try:
        options = json.loads(raw) if isinstance(raw, str) else None
    except (ValueError, RecursionError):
        options = None
    if not isinstance(options, dict):
        message = 'Options are one JSON object, such as {"seed": 1}.'
        raise Refused(400, "bad_options", message, "options")
    return options


def submitted(run: Run) -> dict:
    """The short answer to a submission."""
    return {
        "id": str(run.pk), "url": run.get_absolute_url(), "state": run.state,
        "position": queue.position(run), "eta": queue.eta(run),
    }


def run_url(run: Run) -> str:
    """The run's address in the API."""
    return reverse("api:run", args=[run.pk])


def described(run: Run) -> dict:
    """The whole run as JSON."""
    progress = {"step": run.step, "total": run.total, "message": run.message}
    error = {"code": run.error_code, "message": run.error, "field": None}
    return {
        **submitted(run),
        "demo": run.demo, "paper": run.paper, "options": run.options,
        "attempts": run.attempts, "created": run.created, "started": run.started,
        "finished": run.finished, "deadline": run.deadline, "pinned": run.pinned,
        "progress": progress,
        "partials": [pages.with_url(run, one) for one in run.partials],
        "result": result(run), "error": error if run.error_code else None,
    }


def result(run: Run) -> dict | None:
    """The result with an address for each file."""
    if run.result is None:
        return None
    artifacts = [pages.with_url(run, one) for one in run.result["artifacts"]]
    return {**run.result, "artifacts": artifacts}
