"""What a load balancer asks every few seconds: may visitors be sent here?

Pages need the database, the papers and an index, so without one of those the answer
is no. Without broker or workers everything can still be read, and runs can be sent:
they are rows, and wait. On a full disk no run can be sent, and everything be read. So
those three are told and change nothing.

What went wrong is in the log and in `manage.py doctor`. Strangers can ask this, so
they are not told addresses or paths.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.db import connection

from kb.catalogue.library import library
from kb.operations import parts
from kb.operations.parts import Part, Trouble
from kb.runs.queue import waiting, workers_alive
from kb.search.index import live_index

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Said:
    """One part: is it well, can visitors do without it, and a sentence."""

    ok: bool
    needed: bool
    says: str


def web() -> str:
    """That it can say so at all."""
    return "This process answers."


def database() -> str:
    """Reachable and migrated."""
    parts.database()
    return f"{connection.vendor} answers and is migrated."


def papers() -> str:
    """There is something to read."""
    count = len(library().papers)
    if not count:
        raise Trouble("no papers")
    return f"{count} papers can be read."


def index() -> str:
    """Something to search in, however old; asking never builds one."""
    found = live_index().at_hand()
    if found is None:
        raise Trouble("no index yet")
    return f"{len(found.documents)} places can be found."


def broker() -> str:
    """Reachable."""
    parts.broker()
    return "The broker takes messages."


def worker() -> str:
    """How many are there, and how many runs wait for them."""
    alive, queued = workers_alive(), waiting().count()
    if not alive:
        raise Trouble("no worker")
    return f"{alive} alive, {queued} runs wait."


def disk() -> str:
    """Room for what runs write."""
    parts.folder()
    return "There is room on the disk."


# In the order of asking; with its sentence for when it is not well.
NEEDED: dict[Part, str] = {
    web: "",
    database: "The database does not answer, or is not migrated.",
    papers: "No papers were found.",
    index: "There is no search index yet.",
}
TOLD: dict[Part, str] = {
    broker: "The broker does not answer; runs wait in the database.",
    worker: "No worker is alive; runs wait until one is.",
    disk: "The disk is almost full or cannot be written to; runs may be refused.",
}


def ask() -> dict[str, Said]:
    """Every part by its name."""
    return {
        part.__name__: examined(part, sick, needed)
        for table, needed in ((NEEDED, True), (TOLD, False))
        for part, sick in table.items()
    }


def examined(part: Part, sick: str, needed: bool) -> Said:
    """How one part is; the reason goes into the log."""
    try:
        return Said(True, needed, part())
    except Exception as error:
        level = logging.WARNING if needed else logging.DEBUG
        log.log(level, "not ready: %s: %s", part.__name__, error)
        return Said(False, needed, sick)
