"""One attempt at one run, inside the worker: claim to final state."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from types import FrameType

from demos.results import Cancelled, Result
from demos.specs import DEMOS
from kb.runs.lifecycle import move
from kb.runs.models import WORKING, Run, State
from kb.runs.reporter import Reporter, finite

log = logging.getLogger(__name__)

# A demo's own limit is for its work; loading a model and drawing the end come on top.
GRACE_SECONDS = 30


class TimeUp(Exception):
    """The demo took longer than its soft limit."""


def perform(run: Run, run_demo: Callable[..., Result]) -> None:
    """Do the work of a claimed run and write how it ended.

    run_demo: `demos.runner.run`; an argument, because it brings torch along.
    Every ending is a conditional UPDATE under the attempt's token: what comes after a
    cancellation, an expiry or another attempt is dropped.
    """
    report = Reporter(run)
    run.out.mkdir(parents=True, exist_ok=True)
    pictures = [run.folder / name for name in run.images]
    limit = DEMOS[run.demo].seconds + GRACE_SECONDS
    try:
        with time_limit(limit):
            result = run_demo(
                run.demo, run.paper, pictures, run.options, run.out, report
            )
        report.flush()
        succeed(run, result)
    except Cancelled:
        # Partial pictures stay, and the page shows them, until the run expires.
        move(run.pk, [State.CANCELLING], State.CANCELLED, held_by=run.attempt)
    except ValueError as error:
        # Raised with the remedy for whoever made the call: here, the visitor.
        log.warning("run %s", run.pk, exc_info=True)
        fail(run, "refused", str(error))
    except TimeUp:
        message = f"Stopped after {limit} s, the limit of this demo. Ask for less."
        fail(run, "time_limit", message)
    except Exception:
        log.exception("run %s", run.pk)
        fail(
            run, "internal",
            "The demo broke with an error of its own. It is in the worker's log.",
        )


def succeed(run: Run, result: Result) -> None:
    """Store the result, unless somebody cancelled or took over meanwhile."""
    data = finite(asdict(result))
    if not move(run.pk, [State.RUNNING], State.DONE, held_by=run.attempt, result=data):
        move(run.pk, [State.CANCELLING], State.CANCELLED, held_by=run.attempt)


def fail(run: Run, code: str, message: str) -> None:
    """End the run with a reason in words."""
    move(
        run.pk, WORKING, State.FAILED, held_by=run.attempt, error_code=code,
        error=message[:500],
    )


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise TimeUp in a demo that goes on for longer, also if it never reports.

    Celery's own soft limit belongs to the message, and a message may wake the worker
    for another run than the one it names, so the clock starts here. Worker pools of
    threads have no such alarm; there the reports have to do.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
