"""The public queue page: how long the line is, who works, what is usual."""

from __future__ import annotations

from collections import Counter

from django.conf import settings

from demos.specs import DEMOS
from kb.runs import queue
from kb.runs.models import UNFINISHED, WORKING, Run
from kb.runs.visitors import Visitor

SHOWN = 20  # of the visitor's own runs, the newest


def board(visitor: Visitor) -> dict:
    """Everything that queue.html uses; only runs of `visitor` are named as theirs."""
    mine = Run.objects.filter(tickets__visitor__in=visitor.names).distinct()
    own = set(mine.filter(state__in=UNFINISHED).values_list("pk", flat=True))
    working = list(Run.objects.filter(state__in=WORKING).order_by("started"))
    waiting = list(queue.waiting())
    return {
        "working": [(run, run.pk in own) for run in working],
        "waiting": [(run, run.pk in own) for run in waiting],
        "mine": mine.order_by("-created")[:SHOWN],
        "demos": by_demo(working, waiting),
        "workers": queue.workers_alive(), "slots": queue.slots_alive(),
        "limit": settings.RUN_QUEUE_LIMIT, "each": settings.RUN_WAITING_PER_VISITOR,
    }


def by_demo(working: list[Run], waiting: list[Run]) -> list[dict]:
    """A row for each demo: at work, waiting, and the times of past runs in seconds."""
    at_work = Counter(run.demo for run in working)
    in_line = Counter(run.demo for run in waiting)
    return [
        {
            "title": demo.title, "working": at_work[name], "waiting": in_line[name],
            "seconds": queue.seconds_of(name),
        }
        for name, demo in DEMOS.items()
    ]
