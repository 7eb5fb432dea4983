"""Celery tasks: each calls one service. Torch enters the site here alone."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down

from demos.specs import DEMOS
from kb.gate.logs import about
from kb.runs import queue, workers
from kb.runs.perform import GRACE_SECONDS, perform
from kb.runs.publish import wake_worker

# Kills the process of a demo that not even the alarm of its soft limit can stop.
HARD_LIMIT = max(demo.seconds for demo in DEMOS.values()) + 2 * GRACE_SECONDS


@shared_task(name="runs.work", time_limit=HARD_LIMIT)
def work(run_id: str) -> None:
    """Do the next run in the fair order, which need not be the one in the message."""
    from demos import runner  # before the claim: who cannot load it takes no run

    run = queue.claim_next(workers.NAME) if workers.signed_on() else None
    if run is None:
        return
    # The message may be about another run than the one whose turn it is.
    asked = work.request.get("request_id") if str(run.pk) == run_id else ""
    with about(run.pk, asked or ""):
        perform(run, runner.run)
    if following := queue.waiting().first():
        wake_worker(following.pk)


@shared_task(name="runs.warm")
def warm() -> None:
    """Load the libraries before the first visitor needs them."""
    from demos import runner  # noqa: F401


@worker_ready.connect
def settle(sender: Any, **kwargs: object) -> None:
    """Start what the worker does beside the runs, and load the libraries."""
    slots = sender.pool.num_processes
    keeper = workers.Keeper(slots)
    keeper.start()
    worker_shutting_down.connect(lambda **kwargs: keeper.leaving.set(), weak=False)
    for _ in range(slots):
        warm.delay()
