"""The fair order of waiting runs: who is next, what position, how long still.

Each run stands in a numbered round and a visitor has at most one run per round, so
visitors take turns. A new run joins the round being served, or the round after its
visitor's last one. Order: round, then arrival. A run's place is fixed when it comes,
so nobody falls back because of others who come later in the same round.
"""

from __future__ import annotations

import uuid
from math import ceil

from django.conf import settings
from django.db.models import Exists, F, Max, Min, OuterRef, Q, QuerySet
from django.utils import timezone

from kb.runs.lifecycle import move
from kb.runs.models import UNFINISHED, WORKING, Run, State
from kb.runs.refusals import Refused

RETRY_AFTER = 15  # seconds: most runs are over by then
PAST_RUNS = 50  # how many of them the estimate looks at


def waiting() -> QuerySet[Run]:
    """Queued runs in the fair order."""
    return Run.objects.filter(state=State.QUEUED).order_by("round", "created", "pk")


def next_round(visitor: str) -> int:
    """The round that a new run of `visitor` joins."""
    served = Run.objects.filter(state__in=WORKING).aggregate(n=Max("round"))["n"]
    first = Run.objects.filter(state=State.QUEUED).aggregate(n=Min("round"))["n"]
    now = min((n for n in (served, first) if n is not None), default=0)
    own = Run.objects.filter(visitor=visitor, state__in=UNFINISHED)
    last = own.aggregate(n=Max("round"))["n"]
    return now if last is None else max(now, last + 1)


def check_room(visitor: str) -> None:
    """Raise Refused where the queue, or the visitor's share of it, is used up."""
    limit = 1 + settings.RUN_WAITING_PER_VISITOR
    own = Run.objects.filter(visitor=visitor, state__in=UNFINISHED).count()
    if own >= limit:
        raise Refused(
            429, "visitor_limit",
            f"You have {own} unfinished runs and {limit} is the most at one time. "
            "Wait until one is done, or cancel one.",
            retry_after=RETRY_AFTER,
        )
    if waiting().count() >= settings.RUN_QUEUE_LIMIT:
        raise Refused(
            429, "queue_full",
            f"The queue is full: {settings.RUN_QUEUE_LIMIT} runs wait already. "
            "Try again in a minute; finished runs stay visible meanwhile.",
            retry_after=4 * RETRY_AFTER,
        )


def claim_next() -> Run | None:
    """Take the next run for this worker, or None where nothing can be taken.

    A visitor has one run working at a time. The conditional UPDATE decides between
    workers: the one that changed no row goes on to the next candidate.
    """
    working = Run.objects.filter(state__in=WORKING, visitor=OuterRef("visitor"))
    free = waiting().filter(~Exists(working))
    for run_id in list(free.values_list("pk", flat=True)[:20]):
        attempt, now = uuid.uuid4(), timezone.now()
        if move(
            run_id, [State.QUEUED], State.RUNNING, attempt=attempt,
            attempts=F("attempts") + 1, heartbeat=now, started=now, partials=[],
        ):
            return Run.objects.filter(pk=run_id, attempt=attempt).first()
    return None


def position(run: Run) -> int | None:
    """1 for the run that starts next; None where it does not wait."""
    if run.state != State.QUEUED:
        return None
    same = Q(round=run.round)
    earlier = Q(created=run.created, pk__lt=run.pk) | Q(created__lt=run.created)
    ahead = waiting().filter(Q(round__lt=run.round) | (same & earlier))
    return ahead.count() + 1


def seconds_of(demo: str) -> tuple[float, float] | None:
    """Median and 90th percentile of how long past runs of `demo` took."""
    past = Run.objects.filter(demo=demo, state=State.DONE, finished__isnull=False)
    times = sorted(
        (finished - started).total_seconds()
        for started, finished in past.order_by("-finished").values_list(
            "started", "finished"
        )[:PAST_RUNS]
        if started and finished
    )
    if not times:
        return None
    p90 = times[min(len(times) - 1, ceil(0.9 * len(times)) - 1)]
    return times[(len(times) - 1) // 2], p90


def eta(run: Run) -> dict[str, int] | None:
    """Seconds until the run is done as {"low", "high"}, or None while unknown.

    Low adds the medians and high the 90th percentiles of the runs before this one,
    of the one being worked on and of this one, over the workers there are.
    """
    if run.state not in (State.QUEUED, State.RUNNING):
        return None
    ahead: list[str] = []
    if run.state == State.QUEUED:
        place = position(run) or 1
        ahead = list(waiting().values_list("demo", flat=True)[: place - 1])
        ahead += Run.objects.filter(state__in=WORKING).values_list("demo", flat=True)
    demos = {run.demo, *ahead}
    known = {demo: times for demo in demos if (times := seconds_of(demo))}
    if len(known) < len(demos):
        return None
    spent = 0.0
    if run.state == State.RUNNING and run.started:
        spent = (timezone.now() - run.started).total_seconds()
    low, high = (
        known[run.demo][i] - spent
        + sum(known[demo][i] for demo in ahead) / settings.CELERY_WORKER_CONCURRENCY
        for i in (0, 1)
    )
    return {"low": max(0, round(low)), "high": max(1, ceil(high))}
