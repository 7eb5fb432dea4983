"""What a working demo reports, written to its row: heartbeat, progress, new points."""

from __future__ import annotations

import math
import time
from dataclasses import asdict

from django.db import transaction
from django.utils import timezone

from demos.results import Cancelled, Progress
from kb.runs.lifecycle import append
from kb.runs.models import Run, State

WRITE_EVERY = 0.3  # seconds between writes; reports in between are gathered
LOOK_EVERY = 0.1   # seconds between looks at the cancel flag


class Reporter:
    """Called with each Progress of one attempt; raises Cancelled where it is to end."""

    def __init__(self, run: Run):
        self.run = run
        self.series: dict[str, list] = {}
        self.artifacts: list[dict] = []
        self.latest: Progress | None = None
        self.written = self.looked = 0.0

    def __call__(self, progress: Progress) -> None:
        """Gather the report, write it when it is time, and see whether to go on."""
        self.latest = progress
        for name, points in (progress.series or {}).items():
            self.series.setdefault(name, []).extend(points)
        if progress.artifact:
            self.artifacts.append(asdict(progress.artifact))
        now = time.monotonic()
        if now - self.looked >= LOOK_EVERY:
            self.looked = now
            self.look()
        if now - self.written >= WRITE_EVERY:
            self.written = now
            self.flush()

    def look(self) -> None:
        """Stop where the run was cancelled, deleted or taken over."""
        held = Run.objects.filter(pk=self.run.pk, attempt=self.run.attempt)
        if held.values_list("state", flat=True).first() != State.RUNNING:
            raise Cancelled

    def flush(self) -> None:
        """Write row and event of all that was gathered."""
        progress, self.latest = self.latest, None
        if progress is None:
            return
        named = {one["name"]: one for one in [*self.run.partials, *self.artifacts]}
        self.run.partials = list(named.values())
        said = {
            "step": progress.step, "total": progress.total,
            "message": progress.message[:200],
        }
        series = finite(self.series)
        data = {**said, "series": series, "artifacts": self.artifacts}
        self.series, self.artifacts = {}, []
        held = Run.objects.filter(
            pk=self.run.pk, attempt=self.run.attempt, state=State.RUNNING
        )
        with transaction.atomic():
            if held.update(
                heartbeat=timezone.now(), partials=self.run.partials, **said
            ):
                append(self.run.pk, "progress", data)


def finite(value: object) -> object:
    """The same with None for NaN and infinity, which JSON does not have.

    A learning rate too large gives such a loss, and its curve should end, not break.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return value
