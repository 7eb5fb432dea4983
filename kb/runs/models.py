"""The row of a run is the truth; messages and streams only carry it."""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone


class State(models.TextChoices):
    """queued -> running -> done | failed | cancelled; expired after keeping time."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"  # running, and told to stop
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # never started, or its files are gone


WAITING = (State.QUEUED,)
WORKING = (State.RUNNING, State.CANCELLING)
UNFINISHED = (*WAITING, *WORKING)
FINAL = (State.DONE, State.FAILED, State.CANCELLED, State.EXPIRED)


class Run(models.Model):
    """One demo on some pictures for one paper, from upload to result."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    demo = models.CharField(max_length=64)
    paper = models.CharField(max_length=64)
    options = models.JSONField(default=dict)
    images = models.JSONField(default=list)  # names of stored PNG files
    state = models.CharField(
        max_length=12, choices=State.choices, default=State.QUEUED
    )
    # The row of the fair order that the run stands in: see queue.py.
    round = models.PositiveIntegerField(default=0)

    attempts = models.PositiveSmallIntegerField(default=0)
    # Changes with each claim, so a worker taken for dead cannot write any more.
    attempt = models.UUIDField(null=True)
    step = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    message = models.CharField(max_length=200, default="")

    created = models.DateTimeField(default=timezone.now)
    started = models.DateTimeField(null=True)
    finished = models.DateTimeField(null=True)
    heartbeat = models.DateTimeField(null=True)
    deadline = models.DateTimeField(null=True)  # the visitor's: not wanted any later
    worker = models.CharField(max_length=80, default="")  # name of the one that has it
    cold = models.BooleanField(default=False)  # its process had to load the model first
    pixels = models.PositiveIntegerField(default=0)  # of all pictures together
    # Seconds from its creation, [low, high]: the first estimate, before correction.
    foretold = models.JSONField(null=True)

    visitor = models.CharField(max_length=80)  # whose turn the run takes
    address = models.CharField(max_length=80)  # keyed hash, never the address
    cache_key = models.CharField(max_length=128)
    error_code = models.CharField(max_length=40, default="")
    error = models.CharField(max_length=500, default="")
    partials = models.JSONField(default=list)  # artifacts written before the end
    result = models.JSONField(null=True)
    pinned = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(fields=["state", "round", "created"]),
            models.Index(fields=["cache_key"]),
            models.Index(fields=["demo", "state", "finished"]),
        ]
        constraints = [
            # Two identical posts at the same moment cannot both make a row.
            models.UniqueConstraint(
                fields=["cache_key"], name="one_identical_run_in_flight",
                condition=models.Q(state__in=[State.QUEUED, State.RUNNING]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.demo} of {self.paper}, {self.state}"

    def get_absolute_url(self) -> str:
        """The address of the result page, valid from the first moment."""
        return reverse("runs:detail", args=[self.pk])

    @property
    def patience(self) -> int | None:
        """After how many seconds the visitor gives up; None for never."""
        if self.deadline is None:
            return None
        return round((self.deadline - self.created).total_seconds())

    @property
    def is_final(self) -> bool:
        """True where nothing changes any more."""
        return self.state in FINAL

    @property
    def folder(self) -> Path:
        """Everything stored for this run."""
        return Path(settings.MEDIA_ROOT) / str(self.pk)

    @property
    def out(self) -> Path:
        """Where the present attempt writes; each has a folder of its own."""
        return self.folder / f"out-{self.attempt}"

    @property
    def artifacts(self) -> list[dict]:
        """Artifacts of the result, or those written so far."""
        return self.result["artifacts"] if self.result else self.partials


class Worker(models.Model):
    """A worker's sign of life, written every second by its parent process."""

    name = models.CharField(max_length=80, primary_key=True)
    slots = models.PositiveSmallIntegerField()  # runs it can do at a time
    seen = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return f"{self.name}, {self.slots} at a time"


class Ticket(models.Model):
    """A visitor who asked for a run.

    Identical runs are one run with several tickets, and it is cancelled or deleted
    only when everybody else has left.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="tickets")
    visitor = models.CharField(max_length=80)
    address = models.CharField(max_length=80)
    idempotency_key = models.CharField(max_length=200, null=True)  # noqa: DJ001
    left = models.BooleanField(default=False)  # cancelled or deleted it for themselves
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            # NULL keys are distinct from each other, as the standard has it.
            models.UniqueConstraint(
                fields=["visitor", "idempotency_key"], name="one_run_per_key"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.visitor} waits for {self.run_id}"


class Event(models.Model):
    """What happened to a run, in order; streams replay it from any `seq`."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=16)  # state | progress | artifact
    data = models.JSONField()

    class Meta:
        ordering = ["seq"]
        constraints = [
            models.UniqueConstraint(fields=["run", "seq"], name="one_event_per_seq"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"
