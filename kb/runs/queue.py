"""The line of waiting runs: who is next, what position, is there room.

Each visitor has one place in line: that of the first of their waiting runs. Whoever
comes joins at the end, and a visitor's next run takes its place when the one before
it has started, so visitors take turns and nobody in line is ever overtaken. A run
whose worker was lost stands before the line and is not counted in it, so nobody moves
back for it either.

In the rows: `round` is the turn of the visitor that the run takes, the order is round,
then arrival.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from math import ceil

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, Max, Min, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from kb.runs.estimate import Forecast, Range, correction, finish, seconds_of
from kb.runs.lifecycle import move
from kb.runs.models import UNFINISHED, WORKING, Run, State, Worker
from kb.runs.refusals import Refused
from kb.runs.visitors import Visitor

__all__ = [
    "alive", "check_room", "claim_next", "eta", "foresee", "give_up", "line",
    "next_round",
    "one_at_a_time", "overdue", "position", "seconds_of", "slots_alive",
    "up_to_date", "waiting", "workers_alive",
]

RETRY_AFTER = 15  # seconds: most runs are over by then
ALIVE_SECONDS = 10  # a worker says every second that it is
LOCK = 0x76697472  # ours alone among PostgreSQL's advisory locks


def workers_alive() -> int:
    """How many workers said within the last seconds that they are there."""
    return alive().count()


def slots_alive() -> int:
    """How many runs the living workers can do at a time."""
    return alive().aggregate(n=Sum("slots"))["n"] or 0


def alive() -> QuerySet[Worker]:
    """Workers that were heard of within ALIVE_SECONDS."""
    since = timezone.now() - timedelta(seconds=ALIVE_SECONDS)
    return Worker.objects.filter(seen__gt=since)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """A transaction that no other process is in: who counts and then writes needs it.

    SQLite's transactions are such by the settings.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        yield


def waiting() -> QuerySet[Run]:
    """Queued runs in the order in which they start."""
    again = F("started").asc(nulls_last=True)
    return Run.objects.filter(state=State.QUEUED).order_by(
        again, "round", "created", "pk"
    )


def line() -> QuerySet[Run]:
    """Queued runs that never started: those with a place in line, or behind one."""
    return waiting().filter(started=None)


def next_round(visitor: str) -> int:
    """The round that a new run of `visitor` joins: the end of the line, or later."""
    first = line().order_by().values("visitor").annotate(first=Min("round"))
    end = max((row["first"] for row in first), default=0)
    own = line().filter(visitor=visitor).aggregate(last=Max("round"))["last"]
    return end if own is None else max(end, own + 1)


def check_room(visitor: Visitor) -> None:
    """Raise Refused where the queue, or the visitor's share of it, is used up.

    An address has a larger share than a visitor, for it may be a classroom's; that it
    has one at all is for those who come with a new cookie each time.
    """
    limit = 1 + settings.RUN_WAITING_PER_VISITOR
    unfinished = Run.objects.filter(state__in=UNFINISHED)
    own = unfinished.filter(visitor=visitor.id).count()
    if own >= limit:
        raise Refused(
            429, "visitor_limit",
            f"You have {own} unfinished runs and {limit} is the most at one time. "
            "Wait until one is done, or cancel one.",
            retry_after=RETRY_AFTER,
        )
    limit = settings.RUN_PER_ADDRESS
    if unfinished.filter(address=visitor.address).count() >= limit:
        raise Refused(
            429, "address_limit",
            f"{limit} runs from your address are unfinished, and that is the most at "
            "one time. Try again when some of them are done.",
            retry_after=RETRY_AFTER,
        )
    if waiting().count() >= settings.RUN_QUEUE_LIMIT:
        raise Refused(
            429, "queue_full",
            f"The queue is full: {settings.RUN_QUEUE_LIMIT} runs wait already. "
            "Try again in a minute; finished runs stay visible meanwhile.",
            retry_after=4 * RETRY_AFTER,
        )


def claim_next(worker: str = "") -> Run | None:
    """Take the next run for this worker, or None where nothing can be taken.

    A visitor has one run working at a time. The conditional UPDATE decides between
    workers, and with whoever cancels at that moment.
    """
    now = timezone.now()
    working = Run.objects.filter(state__in=WORKING, visitor=OuterRef("visitor"))
    wanted = Q(deadline=None) | Q(deadline__gt=now)
    with one_at_a_time():
        run = waiting().filter(wanted, ~Exists(working)).first()
        taken = run is not None and move(
            run.pk, [State.QUEUED], State.RUNNING, attempt=uuid.uuid4(),
            attempts=F("attempts") + 1, heartbeat=now, started=now, partials=[],
            worker=worker,
        )
        if run is None or not taken:
            return None
        run.refresh_from_db()
        return run


def position(run: Run) -> int | None:
    """1 for the run that starts next; None where it does not wait.

    None as well while an earlier run of the same visitor waits: the place in line is
    that one's, and what is behind it may still be overtaken by who comes.
    """
    if run.state != State.QUEUED:
        return None
    if run.started:
        return 1  # it had its turn, and all such start before the line
    same = Q(round=run.round)
    earlier = Q(created=run.created, pk__lt=run.pk) | Q(created__lt=run.created)
    ahead = line().filter(Q(round__lt=run.round) | (same & earlier))
    if ahead.filter(visitor=run.visitor).exists():
        return None
    return ahead.count() + 1


def overdue() -> QuerySet[Run]:
    """Queued runs that their visitor wanted no later than some time ago."""
    return Run.objects.filter(state=State.QUEUED, deadline__lte=timezone.now())


def give_up(run: Run) -> None:
    """End a queued run at its visitor's own limit, in words."""
    move(
        run.pk, [State.QUEUED], State.FAILED, error_code="deadline",
        error=f"Given up after {run.patience} s, as asked, before a worker was free. "
        "Send it again with more time.",
    )


def up_to_date(run: Run) -> Run:
    """The run, given up first if that is due and no worker is there to see it."""
    if run.state == State.QUEUED and run.deadline and run.deadline <= timezone.now():
        give_up(run)
        run.refresh_from_db()
    return run


def eta(run: Run) -> dict[str, int] | None:
    """Seconds until the run is done as {"low", "high"}.

    None for a run that is over, while nothing is known of some run before it, and
    while no worker is alive. What earlier estimates got wrong is put right in it.
    """
    expected = foresee(run)
    if expected is None:
        return None
    shorter, longer = correction()
    low, high = expected[0] * shorter, expected[1] * longer
    return {"low": int(low), "high": ceil(high) + 1}


def foresee(run: Run) -> Range | None:
    """The estimate as the queue and past runs have it."""
    workers = dict(alive().values_list("name", "slots"))
    if run.state not in (State.QUEUED, State.RUNNING) or not workers:
        return None
    working = list(Run.objects.filter(state__in=WORKING).order_by("started"))
    queued = list(waiting()) if run.state == State.QUEUED else []
    forecast = Forecast(list(workers))
    times = {one.pk: forecast.seconds(one) for one in (*working, *queued, run)}
    if None in times.values():
        return None
    slots = sum(workers.values())
    low, high = (
        finish(run, working, queued, slots, {pk: t[i] for pk, t in times.items() if t})
        for i in (0, 1)
    )
    return low, high
