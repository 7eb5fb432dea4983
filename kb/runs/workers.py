"""What a worker's parent process does beside the runs: it lives, sweeps, and leaves.

One thread per worker, so nothing here waits for a slot to be free, and no second kind
of process is needed that could be missing.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from kb.runs.models import Worker
from kb.runs.sweep import release, sweep, tidy

log = logging.getLogger(__name__)

BEAT_SECONDS = 1
# Known before the processes that do the runs are forked, so they share it.
NAME = f"{socket.gethostname()[:60]}-{secrets.token_hex(4)}"
PARENT = "VITRINE_PARENT"  # the process that must outlive this one, if one is named

# A process forked in the middle of a turn would inherit locks that nobody frees.
turning = threading.Lock()


class Keeper(threading.Thread):
    """Says every second that the worker lives, and puts right what went wrong."""

    def __init__(self, slots: int) -> None:
        super().__init__(name="keeper", daemon=True)
        self.slots = slots
        self.leaving = threading.Event()
        self.tidied = -float("inf")

    def run(self) -> None:
        """Take turns until the worker is told to stop."""
        os.register_at_fork(
            before=turning.acquire, after_in_parent=turning.release,
            after_in_child=turning.release,
        )
        while not self.leaving.is_set():
            end_with_parent()
            self.safely(self.turn)
            self.leaving.wait(BEAT_SECONDS)
        self.safely(leave)
        # Celery would take seconds to put away queues that hold nothing but wake-ups.
        # The processes that do the runs end by themselves when this one is gone.
        os._exit(0)

    def safely(self, act: Callable[[], None]) -> None:
        """Do it in one piece; a database that is away is tried again next time."""
        with turning:
            try:
                act()
            except DatabaseError as error:
                log.warning("the database is away, so once more later: %s", error)
            except Exception:
                log.exception("a turn failed; the next one goes on")
            finally:
                connection.close()

    def turn(self) -> None:
        """One second's work."""
        Worker.objects.update_or_create(
            name=NAME, defaults={"slots": self.slots, "seen": timezone.now()}
        )
        sweep()
        if time.monotonic() - self.tidied > settings.RUN_TIDY_SECONDS:
            self.tidied = time.monotonic()
            tidy()


def leave() -> None:
    """Sign off, so that no further run is taken, and give back those at work."""
    Worker.objects.filter(name=NAME).delete()
    release(NAME)


def signed_on() -> bool:
    """True until this worker was told to stop; a message may still lie in its hands."""
    return Worker.objects.filter(name=NAME).exists()


def end_with_parent() -> None:
    """Be gone, with all children, once the process named at the start is gone."""
    parent = os.environ.get(PARENT)
    if parent and os.getppid() != int(parent):
        log.warning("the site's process is gone, so this worker ends")
        os.killpg(os.getpgrp(), signal.SIGKILL)
