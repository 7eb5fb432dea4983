"""Celery tasks: each calls one service. Torch enters the site here alone."""

from __future__ import annotations

from celery import shared_task
from celery.signals import worker_ready

from demos.specs import DEMOS
from kb.runs import queue
from kb.runs.perform import GRACE_SECONDS, perform
from kb.runs.publish import wake_worker
from kb.runs.sweep import sweep

# Kills the process of a demo that not even the alarm of its soft limit can stop.
HARD_LIMIT = max(demo.seconds for demo in DEMOS.values()) + 2 * GRACE_SECONDS


@shared_task(name="runs.work", time_limit=HARD_LIMIT)
def work(run_id: str) -> None:
    """Do the next run in the fair order, which need not be the one in the message."""
    from demos import runner  # before the claim: who cannot load it takes no run

    run = queue.claim_next()
    if run is None:
        return
    perform(run, runner.run)
    if following := queue.waiting().first():
        wake_worker(following.pk)


@shared_task(name="runs.sweep")
def run_sweep() -> None:
    """Every few seconds by the beat."""
    sweep()


@shared_task(name="runs.warm")
def warm() -> None:
    """Load the libraries before the first visitor needs them."""
    from demos import runner  # noqa: F401


@worker_ready.connect
def greet(**kwargs: object) -> None:
    """A fresh worker looks for what its predecessor left, then warms up."""
    run_sweep.delay()
    warm.delay()
