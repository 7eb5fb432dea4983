"""Beside a working demo: its sign of life, and the reasons to end it early."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from demos.results import Cancelled, Progress
from kb.runs.models import Run, State

log = logging.getLogger(__name__)

LOOK_EVERY = 0.2  # seconds


class TimeUp(Exception):
    """The demo took longer than its own limit."""


class GivenUp(Exception):
    """It took longer than its visitor wanted to wait."""


class Watch:
    """A `with` block that a demo works in, and that ends it when it is time.

    A timer interrupts the demo a few times a second to look at the row and to write
    the heartbeat there, so a demo need not report for either: it may load a model for
    a minute. Raises Cancelled, TimeUp or GivenUp inside the block.

    Celery's own soft limit belongs to the message, and a message may wake the worker
    for another run than the one it names, so the clock starts here. Worker pools of
    threads have no such timer; there the reports have to do.
    """

    def __init__(self, run: Run, seconds: float, report: Callable[[Progress], None]):
        self.run = run
        self.reporter = report
        self.ends = time.monotonic() + seconds
        self.beaten = time.monotonic()
        self.busy = False  # the database is in use: not a moment to interrupt
        self.timed = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Self:
        if self.timed:
            self.before = signal.signal(signal.SIGALRM, self.ring)
            signal.setitimer(signal.ITIMER_REAL, LOOK_EVERY, LOOK_EVERY)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.busy = True
        if self.timed:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self.before)

    def report(self, progress: Progress) -> None:
        """Hand a report of the demo on, undisturbed."""
        self.busy = True
        try:
            self.reporter(progress)
        finally:
            self.busy = False

    def ring(self, number: int, frame: FrameType | None) -> None:
        """What the timer calls, between two steps of the interpreter."""
        if self.busy:
            return
        self.busy = True
        try:
            self.look()
        except DatabaseError:
            log.warning("run %s: no look at its row", self.run.pk, exc_info=True)
            connection.close()  # the next look opens a new one
        finally:
            self.busy = False

    def look(self) -> None:
        """End the demo where there is a reason, else say that it lives."""
        if time.monotonic() > self.ends:
            raise TimeUp
        held = Run.objects.filter(pk=self.run.pk, attempt=self.run.attempt)
        row = held.values_list("state", "deadline").first()
        if row is None or row[0] != State.RUNNING:
            raise Cancelled
        if row[1] and row[1] <= timezone.now():
            raise GivenUp
        if time.monotonic() - self.beaten > settings.RUN_HEARTBEAT_SECONDS / 5:
            self.beaten = time.monotonic()
            held.update(heartbeat=timezone.now())
