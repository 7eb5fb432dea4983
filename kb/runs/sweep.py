"""What nobody else notices: lost messages, dead workers, results past their time."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from kb.runs import queue
from kb.runs.lifecycle import move
from kb.runs.models import FINAL, WORKING, Run, State
from kb.runs.publish import wake_worker

ORPHAN_SECONDS = 3600  # a folder without a row: the process died between the two


def sweep() -> None:
    """Put right whatever is wrong; doing it twice, or in two workers, is no harm."""
    recover()
    expire()
    remove_orphans()
    wake()


def wake() -> None:
    """Send wake-ups for the next runs in line, one for each slot of a worker.

    The sweep itself runs in a slot that is free just then, and each finished run wakes
    the next; so this restarts the chain however many messages were lost.
    """
    for run in queue.waiting()[: settings.CELERY_WORKER_CONCURRENCY]:
        wake_worker(run.pk)


def recover() -> None:
    """Queue runs again whose worker fell silent; after the last attempt they fail."""
    silent = timezone.now() - timedelta(seconds=settings.RUN_HEARTBEAT_SECONDS)
    for run in Run.objects.filter(state__in=WORKING, heartbeat__lt=silent):
        if run.state == State.CANCELLING:
            move(run.pk, [run.state], State.CANCELLED, held_by=run.attempt)
        elif run.attempts < settings.RUN_MAX_ATTEMPTS:
            move(
                run.pk, [run.state], State.QUEUED, held_by=run.attempt, attempt=None,
                step=0, total=0, message="The worker was lost; waiting for another.",
            )
        else:
            move(
                run.pk, [run.state], State.FAILED, held_by=run.attempt,
                error_code="worker_lost",
                error=f"The worker was lost {run.attempts} times during this run, so "
                "it was given up. Smaller settings may help.",
            )


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
    """Delete folders that no row stands for."""
    root = Path(settings.MEDIA_ROOT)
    if not root.is_dir():
        return
    known = {str(pk) for pk in Run.objects.values_list("pk", flat=True)}
    before = timezone.now().timestamp() - ORPHAN_SECONDS
    unknown = (f for f in root.iterdir() if is_run(f.name) and f.name not in known)
    for folder in unknown:
        if folder.stat().st_mtime < before:
            shutil.rmtree(folder, ignore_errors=True)


def is_run(name: str) -> bool:
    """True for names that only this package gives to folders."""
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
