"""A run's events as server-sent events: they replay, beat, keep a pace, and end."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID

from asgiref.sync import sync_to_async

from kb.runs.events import gathered, look, over, place_of

LOOK_EVERY = 0.25
PACE = 0.1  # seconds between two events: at most ten a second
POSITION_EVERY = 2.0
HEARTBEAT_EVERY = 15.0  # the page waits 40 s for one before it gives the stream up
LONGEST = 600.0  # then the browser asks again, and goes on from the last id
GLANCE_EVERY = 0.03
# Browsers open six connections to a site at most: these many leave two for the pages.
PER_VISITOR = 4

# One thread, and so one database connection, for all open streams of this process:
# a look costs well under a millisecond, a connection for each visitor would not.
_looker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="events")

# Streams that are being sent by this process, by visitor.
open_streams: Counter[str] = Counter()


def has_room(visitor: str) -> bool:
    """True where the visitor may open one more stream."""
    return open_streams[visitor] < PER_VISITOR


@contextmanager
def counted(visitor: str) -> Iterator[None]:
    """One more open stream, until it ends in whatever way."""
    open_streams[visitor] += 1
    try:
        yield
    finally:
        open_streams[visitor] -= 1
        if not open_streams[visitor]:
            del open_streams[visitor]


async def stream(run_id: UUID, seq: int, visitor: str) -> AsyncIterator[bytes]:
    """Server-sent events after `seq`, until the run is over or the client leaves.

    Counted only once it is really sent: what never begins needs no end.
    """
    read = sync_to_async(look, thread_sensitive=False, executor=_looker)
    read_place = sync_to_async(place_of, thread_sensitive=False, executor=_looker)
    with counted(visitor):
        # A beat at once: a page that gets none sits behind a proxy that holds back.
        yield b"retry: 2000\n\n" + encode("beat", {})
        began = sent = time.monotonic()
        placed, place = 0.0, None
        while time.monotonic() - began < LONGEST:
            events, ended = await read(run_id, seq)
            for nth, event in enumerate(gathered(events)):
                await asyncio.sleep(PACE if nth else 0)
                seq = event["seq"]
                yield encode(event["kind"], event["data"], seq)
            if ended:
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
                yield encode("beat", {})
            await asyncio.sleep(LOOK_EVERY)


def encode(kind: str, data: dict, seq: int | None = None) -> bytes:
    """One event on the wire; only stored ones have an id to replay from."""
    head = f"id: {seq}\n" if seq is not None else ""
    return f"{head}event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


async def until_over(run_id: UUID, seconds: float) -> None:
    """Return as soon as the run is over, or after `seconds`; holds no thread."""
    is_over = sync_to_async(over, thread_sensitive=False, executor=_looker)
    end = time.monotonic() + seconds
    while not await is_over(run_id) and time.monotonic() < end:
        await asyncio.sleep(GLANCE_EVERY)
