"""One attempt at one run, inside the worker: claim to final state."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import asdict

from django.db import DatabaseError, connection

from demos.results import Cancelled, Result
from demos.specs import DEMOS
from kb.gate.outages import disk_is_away
from kb.runs.lifecycle import move
from kb.runs.models import WORKING, Run, State
from kb.runs.reporter import Reporter, finite
from kb.runs.watch import GivenUp, TimeUp, Watch

log = logging.getLogger(__name__)

# A demo's own limit is for its work; loading a model and drawing the end come on top.
GRACE_SECONDS = 30
BROKEN = (
    "internal", "The demo broke with an error of its own. It is in the worker's log.",
)
NO_DISK = (
    "no_disk",
    "The site's disk was full or could not be written to. Send it again later.",
)

# Demo and paper of runs that this process has done: their models are loaded.
_met: set[tuple[str, str]] = set()


def perform(run: Run, run_demo: Callable[..., Result]) -> None:
    """Do the work of a claimed run and write how it ended.

    run_demo: `demos.runner.run`; an argument, because it brings torch along.
    Every ending is a conditional UPDATE under the attempt's token: what comes after a
    cancellation, an expiry or another attempt is dropped.
    """
    report = Reporter(run)
    pictures = [run.folder / name for name in run.images]
    limit = DEMOS[run.demo].seconds + GRACE_SECONDS
    try:
        prepare(run)
        with Watch(run, limit, report) as watch:
            result = run_demo(
                run.demo, run.paper, pictures, run.options, run.out, watch.report
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
    except GivenUp:
        message = f"Given up after {run.patience} s, as asked. Send it with more time."
        fail(run, "deadline", message)
    except DatabaseError:
        # Nothing can be written now; the run falls silent and is taken up again.
        log.exception("run %s", run.pk)
        connection.close()
        return
    except Exception as error:
        log.exception("run %s", run.pk)
        fail(run, *(NO_DISK if disk_is_away(error) else BROKEN))
    clear(run)


def prepare(run: Run) -> None:
    """An empty folder for this attempt; a note whether its model is loaded already."""
    for old in run.folder.glob("out-*"):
        shutil.rmtree(old, ignore_errors=True)
    run.out.mkdir(parents=True, exist_ok=True)
    kind = run.demo, run.paper
    if kind not in _met:
        Run.objects.filter(pk=run.pk, attempt=run.attempt).update(cold=True)
        _met.add(kind)


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


def clear(run: Run) -> None:
    """Remove what this attempt wrote, if nobody can see it any more."""
    row = Run.objects.filter(pk=run.pk).values_list("attempt", flat=True)
    if not row:
        shutil.rmtree(run.folder, ignore_errors=True)
    elif row[0] != run.attempt:
        shutil.rmtree(run.out, ignore_errors=True)
