"""The events of a run as a stream (SSE) that replays, and as JSON for polling."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypedDict
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import DatabaseError, connection

from kb.runs import queue
from kb.runs.models import FINAL, Event, Run

LOOK_EVERY = 0.25
POSITION_EVERY = 2.0
HEARTBEAT_EVERY = 15.0

# One thread, and so one database connection, for all open streams of this process:
# a look costs well under a millisecond, a connection for each visitor would not.
_looker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="events")


class Stored(TypedDict):
    """An event as its row has it."""

    seq: int
    kind: str
    data: dict


def events_after(run_id: UUID, seq: int) -> list[Stored]:
    """Events of the run after `seq`, oldest first."""
    rows = Event.objects.filter(run_id=run_id, seq__gt=seq)
    return list(rows.values("seq", "kind", "data"))


def state_of(run_id: UUID) -> str | None:
    """The run's state, None where the row is gone."""
    return Run.objects.filter(pk=run_id).values_list("state", flat=True).first()


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
    try:
        state = state_of(run_id)
        return events_after(run_id, seq), state is None or state in FINAL
    except DatabaseError:
        connection.close()  # the next look opens a new one
        return [], False


async def stream(run_id: UUID, seq: int) -> AsyncIterator[bytes]:
    """Server-sent events from `seq` on, until the run is over or the client leaves."""
    read = sync_to_async(look, thread_sensitive=False, executor=_looker)
    read_place = sync_to_async(place_of, thread_sensitive=False, executor=_looker)
    yield b"retry: 2000\n\n"
    sent = time.monotonic()
    placed, place = 0.0, None
    while True:
        events, over = await read(run_id, seq)
        for event in events:
            seq = event["seq"]
            yield encode(event["kind"], event["data"], seq)
        if over:
            yield encode("end", {})
            return
        now = time.monotonic()
        if now - placed >= POSITION_EVERY:
            placed, before, place = now, place, await read_place(run_id)
            if place and place != before:
                yield encode("place", place)
        if events:
            sent = now
        elif now - sent >= HEARTBEAT_EVERY:
            sent = now
            yield b": still here\n\n"
        await asyncio.sleep(LOOK_EVERY)


def encode(kind: str, data: dict, seq: int | None = None) -> bytes:
    """One event on the wire; only stored ones have an id to replay from."""
    head = f"id: {seq}\n" if seq is not None else ""
    return f"{head}event: {kind}\ndata: {json.dumps(data)}\n\n".encode()
