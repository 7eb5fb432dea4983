"""For machines that watch the site: alive, ready, and numbers for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import DatabaseError
from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily

from demos.specs import DEMOS
from kb.catalogue.library import library
from kb.runs.models import Run, State
from kb.runs.queue import seconds_of, waiting


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers; asks nothing of anybody else."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 where requests can be served: database migrated, papers there; else 503."""
    checks = {"database": database_answers(), "papers": bool(library().papers)}
    return JsonResponse(checks, status=200 if all(checks.values()) else 503)


def database_answers() -> bool:
    """True where the table of runs can be read."""
    try:
        Run.objects.exists()
    except DatabaseError:
        return False
    return True


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Numbers from the rows, so they are the same from every web process."""
    registry = CollectorRegistry()
    registry.register(Rows())
    return HttpResponse(generate_latest(registry), content_type="text/plain")


class Rows:
    """Reads the table of runs whenever it is asked."""

    def collect(self) -> Iterator[Metric]:
        """Runs by demo and state, the oldest waiting one, seconds of past runs."""
        runs = GaugeMetricFamily(
            "vitrine_runs", "Runs by demo and state.", labels=["demo", "state"]
        )
        counted = Run.objects.values("demo", "state").annotate(n=Count("pk"))
        for row in counted:
            runs.add_metric([row["demo"], row["state"]], row["n"])
        yield runs
        oldest = waiting().aggregate(first=Min("created"))["first"]
        age = (timezone.now() - oldest).total_seconds() if oldest else 0
        yield GaugeMetricFamily(
            "vitrine_queue_oldest_seconds", "How long the oldest run waits.", value=age
        )
        yield GaugeMetricFamily(
            "vitrine_queue_length", "Runs that wait.",
            value=Run.objects.filter(state=State.QUEUED).count(),
        )
        seconds = GaugeMetricFamily(
            "vitrine_run_seconds", "Seconds of past runs.", labels=["demo", "quantile"]
        )
        for demo in DEMOS:
            for quantile, value in zip(
                ("0.5", "0.9"), seconds_of(demo) or (), strict=False
            ):
                seconds.add_metric([demo, quantile], value)
        yield seconds
