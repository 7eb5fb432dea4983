"""The events of a run as rows, and where it stands: what streams and polls carry."""

from __future__ import annotations

from typing import TypedDict
from uuid import UUID

from django.db import DatabaseError, connection

from kb.runs import queue
from kb.runs.models import FINAL, Event, Run


class Stored(TypedDict):
    """An event as its row has it."""

    seq: int
    kind: str
    data: dict


def events_after(run_id: UUID, seq: int) -> list[Stored]:
    """Events of the run after `seq`, oldest first."""
    rows = Event.objects.filter(run_id=run_id, seq__gt=seq)
    return list(rows.values("seq", "kind", "data"))


def gathered(events: list[Stored]) -> list[Stored]:
    """The same, but progress reports in a row are one, under the last one's number.

    Who comes late to a long run gets its curve in a few events, not in hundreds.
    """
    told: list[Stored] = []
    for event in events:
        if told and told[-1]["kind"] == event["kind"] == "progress":
            told[-1] = {**event, "data": joined(told[-1]["data"], event["data"])}
        else:
            told.append(event)
    return told


def joined(before: dict, after: dict) -> dict:
    """Two progress reports as one: the later words, the points of both."""
    names = {**before["series"], **after["series"]}
    series = {
        name: [*before["series"].get(name, ()), *after["series"].get(name, ())]
        for name in names
    }
    pictures = [*before["artifacts"], *after["artifacts"]]
    latest = {one["name"]: one for one in pictures}
    return {**after, "series": series, "artifacts": list(latest.values())}


def state_of(run_id: UUID) -> str | None:
    """The run's state, None where the row is gone."""
    return Run.objects.filter(pk=run_id).values_list("state", flat=True).first()


def over(run_id: UUID) -> bool:
    """True where nothing more will happen; a database that is away says nothing."""
    try:
        state = state_of(run_id)
    except DatabaseError:
        connection.close()  # the next look opens a new one
        return False
    return state is None or state in FINAL


def place_of(run_id: UUID) -> dict | None:
    """Position and ETA while they mean something."""
    try:
        run = Run.objects.filter(pk=run_id).first()
        if run is None or run.is_final:
            return None
        return {"position": queue.position(run), "eta": queue.eta(run)}
    except DatabaseError:
        connection.close()
        return None


def look(run_id: UUID, seq: int) -> tuple[list[Stored], bool]:
    """New events, and whether these are the last ones.

    The state is read first: a final state is written together with its event, so
    whatever is read after it is complete.
    """
    ended = over(run_id)
    try:
        return events_after(run_id, seq), ended
    except DatabaseError:
        connection.close()
        return [], False
