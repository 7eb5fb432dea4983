"""Numbers for Prometheus: from the rows, and so the same from every web process.

What a process counts by itself (requests, refusals, shared runs) is its own; with
several of them, scrape each.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from math import ceil

from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client import REGISTRY, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily

from demos.specs import DEMOS
from kb.runs.models import Run, State
from kb.runs.queue import waiting, workers_alive
from kb.search.generations import SENTINEL
from kb.search.index import live_index

PAST_RUNS = 100  # of each demo, the latest
QUANTILES = (0.5, 0.9, 0.99)


def exposition() -> bytes:
    """All of it in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(Rows())
    registry.register(Index())
    return generate_latest(registry) + generate_latest(REGISTRY)


class Rows:
    """Reads the tables whenever it is asked."""

    def collect(self) -> Iterator[Metric]:
        """The queue as it stands, and how long past runs waited and took."""
        yield counted()
        queue = waiting().aggregate(n=Count("pk"), first=Min("created"))
        yield gauge("vitrine_queue_length", "Runs that wait.", queue["n"])
        age = (timezone.now() - queue["first"]).total_seconds() if queue["n"] else 0
        yield gauge(
            "vitrine_queue_oldest_seconds", "How long the oldest run waits.", age
        )
        yield gauge(
            "vitrine_workers_alive", "Workers heard of just now.", workers_alive()
        )
        yield from past()


def gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    """One number without labels."""
    return GaugeMetricFamily(name, words, value=value)


def counted() -> Metric:
    """Runs by demo and state."""
    runs = GaugeMetricFamily(
        "vitrine_runs", "Runs by demo and state.", labels=["demo", "state"]
    )
    for row in Run.objects.values("demo", "state").annotate(n=Count("pk")):
        runs.add_metric([row["demo"], row["state"]], row["n"])
    return runs


def past() -> Iterator[Metric]:
    """Quantiles over the latest runs of each demo that came to a result."""
    labels = ["demo", "quantile"]
    waits = GaugeMetricFamily(
        "vitrine_wait_seconds", "From being sent to the start.", labels=labels
    )
    works = GaugeMetricFamily(
        "vitrine_run_seconds", "From the start to the result.", labels=labels
    )
    for demo in DEMOS:
        done = Run.objects.filter(demo=demo, state=State.DONE, started__isnull=False)
        times = list(
            done.order_by("-finished").values_list("created", "started", "finished")[
                :PAST_RUNS
            ]
        )
        for family, spans in (
            (waits, [start - sent for sent, start, _ in times if start]),
            (works, [end - start for _, start, end in times if start and end]),
        ):
            seconds = sorted(span.total_seconds() for span in spans)
            for share in QUANTILES if seconds else ():
                value = seconds[ceil(share * len(seconds)) - 1]
                family.add_metric([demo, str(share)], value)
    yield waits
    yield works


class Index:
    """The index that this process answers from."""

    def collect(self) -> Iterator[Metric]:
        """Nothing where there is none: an absent number can be alerted on."""
        found = live_index().at_hand()
        if found is None:
            return
        files = [path.stat() for path in found.folder.rglob("*") if path.is_file()]
        built = (found.folder / SENTINEL).stat().st_mtime
        yield gauge("vitrine_index_documents", "Places found.", len(found.documents))
        yield gauge(
            "vitrine_index_bytes", "On disk.", sum(one.st_size for one in files)
        )
        yield gauge(
            "vitrine_index_age_seconds", "Since it was built.", time.time() - built
        )
