"""Changes of state: each one a conditional UPDATE and an event, in one transaction."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from kb.runs.models import FINAL, Event, Run, State

TRIES = 5


def move(
    run_id: UUID, sources: Collection[str], state: State, *,
    held_by: UUID | None = None, **fields: object,
) -> bool:
    """Move the run to `state` if it is in one of `sources`; False where it was not.

    With `held_by`, only while that attempt still holds the run: what a worker sends
    after its run was taken over, cancelled or deleted changes nothing.
    """
    rows = Run.objects.filter(pk=run_id, state__in=sources)
    if held_by is not None:
        rows = rows.filter(attempt=held_by)
    if state in FINAL:
        fields.setdefault("finished", timezone.now())
    with transaction.atomic():
        if not rows.update(state=state, **fields):
            return False
        data: dict[str, object] = {"state": str(state)}
        if fields.get("error"):
            data["error"] = {"code": fields["error_code"], "message": fields["error"]}
        append(run_id, "state", data)
    return True


def append(run_id: UUID, kind: str, data: dict) -> None:
    """Write the next event of the run.

    Web and worker may append at once; the unique pair (run, seq) decides, and the
    loser takes the next number.
    """
    for left in reversed(range(TRIES)):
        events = Event.objects.filter(run_id=run_id)
        seq = (events.aggregate(last=Max("seq"))["last"] or 0) + 1
        try:
            with transaction.atomic():
                Event.objects.create(run_id=run_id, seq=seq, kind=kind, data=data)
            return
        except IntegrityError:
            if not left:
                raise
