"""What nobody else notices: lost messages, dead workers, results past their time."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from kb.runs import queue
from kb.runs.lifecycle import move
from kb.runs.models import FINAL, WORKING, Run, State, Worker
from kb.runs.publish import wake_worker


def sweep() -> None:
    """Put right whatever is wrong; doing it twice, or in two workers, is no harm."""
    recover()
    for run in queue.overdue():
        queue.give_up(run)
    wake()


def tidy() -> None:
    """Remove what is past its time. Slower than the sweep, and less urgent."""
    expire()
    remove_orphans()
    Worker.objects.filter(seen__lt=timezone.now() - timedelta(hours=1)).delete()


def wake() -> None:
    """Send wake-ups where a slot is free and a run waits all the same.

    Each finished run wakes the next; this restarts the chain however many messages
    were lost.
    """
    free = queue.slots_alive() - Run.objects.filter(state__in=WORKING).count()
    for run in queue.waiting()[: max(0, free)]:
        if not wake_worker(run.pk):
            return  # each of the others would wait for the broker as long


def recover() -> None:
    """Queue runs again whose worker fell silent; after the last attempt they fail."""
    silent = timezone.now() - timedelta(seconds=settings.RUN_HEARTBEAT_SECONDS)
    for run in Run.objects.filter(state__in=WORKING, heartbeat__lt=silent):
        if run.state == State.CANCELLING:
            move(run.pk, [run.state], State.CANCELLED, held_by=run.attempt)
        elif run.attempts < settings.RUN_MAX_ATTEMPTS:
            queue_again(run, "The worker was lost; waiting for another.")
        else:
            move(
                run.pk, [run.state], State.FAILED, held_by=run.attempt,
                error_code="worker_lost",
                error=f"The worker was lost {run.attempts} times during this run, so "
                "it was given up. Smaller settings may help.",
            )


def release(worker: str) -> None:
    """Give back the runs of a worker that was told to stop; it counts as no attempt."""
    for run in Run.objects.filter(state__in=WORKING, worker=worker):
        queue_again(
            run, "The worker was stopped; waiting for another.",
            attempts=F("attempts") - 1,
        )
        move(run.pk, [State.CANCELLING], State.CANCELLED, held_by=run.attempt)


def queue_again(run: Run, message: str, **fields: object) -> None:
    """From running back to queued, without what the lost attempt had written."""
    out = run.out
    if move(
        run.pk, [State.RUNNING], State.QUEUED, held_by=run.attempt, attempt=None,
        step=0, total=0, partials=[], message=message, **fields,
    ):
        shutil.rmtree(out, ignore_errors=True)


def expire() -> None:
    """Remove pictures and results after the keeping time; the row stays and says so."""
    limit = timezone.now() - timedelta(days=settings.RUN_KEEP_DAYS)
    old = Run.objects.filter(
        state__in=[s for s in FINAL if s != State.EXPIRED], finished__lt=limit,
        pinned=False,
    )
    for run in old:
        ended = move(
            run.pk, [run.state], State.EXPIRED, finished=run.finished, images=[],
            partials=[], result=None, options={},
        )
        if ended:
            shutil.rmtree(run.folder, ignore_errors=True)
            run.events.filter(kind="progress").delete()


def remove_orphans() -> None:
    """Delete files that belong to nothing: who made them died, or left a form."""
    before = timezone.now().timestamp() - settings.RUN_ORPHAN_SECONDS
    known = {str(pk) for pk in Run.objects.values_list("pk", flat=True)}
    for path in (*run_folders(), *halfway_messages()):
        try:
            if path.name not in known and path.stat().st_mtime < before:
                remove(path)
        except FileNotFoundError:
            continue  # another worker was faster


def run_folders() -> list[Path]:
    """Folders with names that only this package gives."""
    return [path for path in Path(settings.MEDIA_ROOT).glob("*") if is_run(path.name)]


def halfway_messages() -> list[Path]:
    """Messages being written or taken."""
    return list(settings.BROKER_DIR.glob(".*")) if settings.BROKER_DIR else []


def remove(path: Path) -> None:
    """Delete the file or folder."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()


def is_run(name: str) -> bool:
    """True for names that only this package gives to folders."""
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
