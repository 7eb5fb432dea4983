"""Attempts at runs, as a worker makes them."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from kb.runs import queue
from kb.runs.models import Run


def claimed() -> Run:
    """The next run, taken by a worker."""
    run = queue.claim_next()
    assert run is not None
    return run


def silence(run: Run) -> None:
    """As if the worker had not been heard of for long."""
    Run.objects.filter(pk=run.pk).update(heartbeat=timezone.now() - timedelta(hours=1))
