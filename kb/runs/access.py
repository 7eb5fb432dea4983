"""Which run a request means, and whether it may change it."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from kb.runs import queue, services
from kb.runs.models import Run
from kb.runs.visitors import visitor_of


def any_run(run_id: UUID) -> Run:
    """The run, for whoever has its address. Raises Http404."""
    return queue.up_to_date(get_object_or_404(Run, pk=run_id))


def own_run(request: HttpRequest, run_id: UUID) -> Run:
    """The run, if this visitor asked for it. Raises Http404, PermissionDenied."""
    run = get_object_or_404(Run, pk=run_id)
    if not services.owns(run, visitor_of(request)):
        raise PermissionDenied("Only who started a run can stop, keep or delete it.")
    return run
