"""Is everything in place? One line for each part, with the remedy where it is not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from demos.fingerprint import CHECKPOINTS
from kb.catalogue.library import library
from kb.celery import app
from kb.runs.models import WORKING, Run
from kb.runs.queue import waiting
from kb.search.generations import (
    IndexBusy,
    IndexUnwritable,
    open_current,
    writer_lock,
)
from kb.search.index import live_index

LEAST_DISK = 1 << 30  # bytes
SLOW = timedelta(minutes=2)


class Trouble(Exception):
    """Something is not in place; the text is what is wrong and the remedy."""


def folder() -> str:
    """The one place that is written to."""
    if not os.access(settings.VAR_DIR, os.W_OK):
        raise Trouble(f"{settings.VAR_DIR} cannot be written to; set KB_VAR_DIR")
    free = shutil.disk_usage(settings.VAR_DIR).free
    if free < LEAST_DISK:
        raise Trouble(f"{settings.VAR_DIR} has {free >> 20} MB left; make room")
    return f"{settings.VAR_DIR}, {free >> 30} GB free"


def database() -> str:
    """Reachable, and at the newest migration."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise Trouble("migrations are missing; run manage.py migrate")
    return f"{connection.vendor}, migrated"


def papers() -> str:
    """Entries that can be read without fault."""
    faults = sum(len(paper.problems) for paper in library().papers.values())
    if faults:
        raise Trouble(f"{faults} faults in entries; run manage.py check")
    return f"{len(library().papers)} papers without fault"


def search() -> str:
    """An index of the papers as they are now, and room for the next one."""
    index = live_index()
    try:
        found = index.refresh().documents
        with writer_lock(index.root, seconds=0):
            return f"{settings.SEARCH_ENGINE}, {found} places"
    except IndexBusy:
        return f"{settings.SEARCH_ENGINE}, just being rebuilt by another process"
    except IndexUnwritable as fault:
        last = open_current(index.root)
        until = "until then nothing is found"
        if last is not None:
            until = f"the last good one answers, {len(last.documents)} places"
        raise Trouble(f"{fault}; {until}") from fault


def broker() -> str:
    """Where messages to the workers go."""
    with app.connection_for_write() as link:
        link.ensure_connection(max_retries=1, timeout=3)
    return settings.CELERY_BROKER_URL.split("@")[-1]


def worker() -> str:
    """Somebody takes runs: none of them waits long while nothing is at work."""
    oldest = waiting().first()
    if oldest is None or Run.objects.filter(state__in=WORKING).exists():
        return "no run waits in vain"
    if timezone.now() - oldest.created > SLOW:
        raise Trouble("runs wait and nobody takes them; start make run or a worker")
    return "a run was sent just now"


def weights() -> str:
    """The bundled checkpoints, each with its card."""
    found = sorted(CHECKPOINTS.glob("*.safetensors"))
    alone = [path.name for path in found if not path.with_suffix(".json").exists()]
    if not found or alone:
        raise Trouble(f"checkpoints or cards are missing {alone}; clone again")
    return ", ".join(path.stem for path in found)


PARTS: tuple[Callable[[], str], ...] = (
    folder, database, papers, search, broker, worker, weights,
)


class Command(BaseCommand):
    """`manage.py doctor`: ends with 1 where something is wrong."""

    help = __doc__
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        sick = 0
        for part in PARTS:
            try:
                said, mark = part(), "ok "
            except Exception as error:
                said, mark, sick = str(error) or type(error).__name__, "BAD", sick + 1
            self.stdout.write(f"{mark} {part.__name__:9} {said}")
        if sick:
            raise CommandError(f"{sick} of {len(PARTS)} parts need attention")
