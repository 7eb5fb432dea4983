"""The parts of the site, each with a function that says how it is.

A part that is well answers with a sentence. Anything raised means that it is not;
`Trouble` brings what is wrong and the remedy in words.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from tempfile import TemporaryFile

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from demos.fingerprint import CHECKPOINTS
from demos.intake.sandbox import SANDBOX
from kb.catalogue.library import library
from kb.runs.kept import EXAMPLE
from kb.runs.queue import waiting, workers_alive
from kb.search.engine import engine_class
from kb.search.generations import (
    IndexBusy,
    IndexUnwritable,
    open_current,
    writer_lock,
)
from kb.search.index import live_index

LEAST_DISK = 1 << 30  # bytes
SLOW = timedelta(minutes=2)
BROKER_SECONDS = 3

Part = Callable[[], str]


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
    engine_class(settings.SEARCH_ENGINE)  # names a package that is missing
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
    from kb.celery import app  # slow to import, and no page needs it

    address = settings.CELERY_BROKER_URL.split("@")[-1]
    try:
        with app.connection_for_write() as link:
            link.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
    except Exception as error:
        remedy = "start it, or correct CELERY_BROKER_URL"
        raise Trouble(f"{address} does not answer ({error}); {remedy}") from error
    return address


def worker() -> str:
    """Somebody is there to take runs; where nobody is, only runs have to wait."""
    alive = workers_alive()
    if alive:
        return f"{alive} at work" if alive > 1 else "one at work"
    oldest = waiting().first()
    if oldest is None:
        return "none, and no run waits"
    if timezone.now() - oldest.created > SLOW:
        raise Trouble("runs wait and nobody takes them; start make run or a worker")
    return "none, and a run was sent just now"


def weights() -> str:
    """The bundled checkpoints, each with its card."""
    found = sorted(CHECKPOINTS.glob("*.safetensors"))
    alone = [path.name for path in found if not path.with_suffix(".json").exists()]
    if not found or alone:
        raise Trouble(f"checkpoints or cards are missing {alone}; clone again")
    return ", ".join(path.stem for path in found)


def pictures() -> str:
    """The process that decodes uploads, tried on the example, and its limits."""
    from PIL import features

    from demos.intake.decoder import MEMORY, MEMORY_IS_LIMITED, SECONDS

    kinds = {"JPEG": "jpg", "PNG": "zlib", "WEBP": "webp", "TIFF": "libtiff"}
    missing = [kind for kind, name in kinds.items() if not features.check(name)]
    if missing:
        raise Trouble(f"Pillow cannot decode {', '.join(missing)}; install its wheel")
    with EXAMPLE.files()[0].open("rb") as source, TemporaryFile() as target:
        if wrong := SANDBOX.decode(source, target):
            raise Trouble(f"the example is refused: {wrong['message']}")
    memory = f"{MEMORY >> 20} MB" if MEMORY_IS_LIMITED else "no limit of memory here"
    return f"each decoded apart, within {SECONDS} s and {memory}"


ALL: tuple[Part, ...] = (
    folder, database, papers, search, broker, worker, weights, pictures,
)
