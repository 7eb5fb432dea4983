"""The stream of a run: ids, pace, beats, its end; and that none is left open."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import reverse

from kb.asgi import application
from kb.runs import streams
from kb.runs.events import Stored, events_after, gathered
from kb.runs.lifecycle import append, move
from kb.runs.models import State


def progress(seq: int, *points: float, artifacts: tuple[str, ...] = ()) -> Stored:
    named = [{"name": name, "file": f"{seq}.png"} for name in artifacts]
    series = {"loss": [[seq, y] for y in points]} if points else {}
    data = {"step": seq, "series": series, "artifacts": named}
    return {"seq": seq, "kind": "progress", "data": data}


def state(seq: int, name: str) -> Stored:
    return {"seq": seq, "kind": "state", "data": {"state": name}}


def test_reports_in_a_row_are_told_as_one_and_lose_no_point():
    told = gathered([
        state(1, "running"), progress(2, 0.9, artifacts=("look",)), progress(3),
        progress(4, 0.8, 0.7, artifacts=("look", "other")), state(5, "done"),
    ])
    assert [event["seq"] for event in told] == [1, 4, 5]
    data = told[1]["data"]
    assert data["step"] == 4
    assert data["series"] == {"loss": [[2, 0.9], [4, 0.8], [4, 0.7]]}
    assert [one["file"] for one in data["artifacts"]] == ["4.png", "4.png"]


# The generator alone, on a clock of the test


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(streams, "time", made)
    monkeypatch.setattr(streams, "asyncio", SimpleNamespace(sleep=made.sleep))
    monkeypatch.setattr(streams, "place_of", lambda run_id: None)
    return made


@pytest.fixture
def told(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[tuple[float, str]]]:
    """told(looks) streams these looks; (second, kind) of each event that was sent."""

    def collect(looks: Iterator[tuple[list[Stored], bool]]) -> list[tuple[float, str]]:
        monkeypatch.setattr(streams, "look", lambda run_id, seq: next(looks))

        async def read() -> list[tuple[float, str]]:
            start, events = clock.now, streams.stream(uuid4(), 0, "ann")
            return [(clock.now - start, kind(part)) async for part in events]

        return asyncio.run(read())

    return collect


def kind(part: bytes) -> str:
    return part.decode().split("event: ")[1].split("\n")[0]


def forever(look: tuple[list[Stored], bool]) -> Iterator[tuple[list[Stored], bool]]:
    while True:
        yield look


def test_no_more_than_ten_events_go_out_in_a_second(told):
    waiting = [state(n, "running") for n in range(1, 40)]
    sent = told(iter([(waiting, False), ([state(40, "done")], True)]))
    times = [at for at, name in sent if name == "state"]
    assert len(times) == 40
    assert all(later - earlier > 0.99 for earlier, later in zip(times, times[10:], strict=False))


def test_a_stream_speaks_at_once_then_beats_and_lets_go_after_ten_minutes(told):
    sent = told(forever(([], False)))
    assert {name for _, name in sent} == {"beat"}
    times = [at for at, _ in sent]
    assert times[0] == 0
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(15 <= gap < 16 for gap in gaps)
    assert 580 < times[-1] < 600
    assert not streams.open_streams


def test_the_end_is_said_and_nothing_comes_after_it(told):
    sent = told(iter([([state(1, "queued")], False), ([state(2, "done")], True)]))
    assert [name for _, name in sent] == ["beat", "state", "state", "end"]
    assert not streams.open_streams


# The whole application, as a server drives it


class Visit:
    """One request to the ASGI application, which the test can break off."""

    def __init__(self, path: str, **headers: str):
        named = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
        self.scope = {
            "type": "http", "http_version": "1.1", "method": "GET", "path": path,
            "raw_path": path.encode(), "query_string": b"", "scheme": "http",
            "headers": [(b"host", b"localhost"), *named], "root_path": "",
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        }
        self.gone, self.asked = asyncio.Event(), False
        self.sent: asyncio.Queue[dict] = asyncio.Queue()
        self.task = asyncio.create_task(
            application(self.scope, self.receive, self.sent.put)
        )

    async def receive(self) -> dict:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the answer."""
        start = await asyncio.wait_for(self.sent.get(), 30)
        pairs = ((k.decode().lower(), v.decode()) for k, v in start["headers"])
        return start["status"], dict(pairs)

    async def parts(self) -> AsyncIterator[bytes]:
        """What is sent, until the answer is over."""
        more = True
        while more:
            message = await asyncio.wait_for(self.sent.get(), 30)
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]

    async def leave(self) -> None:
        """Break off, and wait until the application is through with it."""
        self.gone.set()
        await asyncio.wait_for(self.task, 30)


def events_of(run_id: UUID) -> str:
    return reverse("runs:events", args=[run_id])


@pytest.mark.django_db(transaction=True)
def test_a_client_that_leaves_ends_its_stream_at_once(submit):
    path = events_of(submit().pk)

    async def visit() -> None:
        visits = [Visit(path) for _ in range(3)]
        for one in visits:
            status, headers = await one.head()
            assert (status, headers["x-accel-buffering"]) == (200, "no")
            assert headers["cache-control"] == "no-cache, no-transform"
            assert "beat" in kind(await anext(one.parts()))
        assert sum(streams.open_streams.values()) == 3
        for one in visits:
            await one.leave()
        assert not streams.open_streams

    asyncio.run(visit())


@pytest.mark.django_db(transaction=True)
def test_a_visitor_has_four_streams_and_can_poll_beside_them(submit):
    run = submit()
    path = events_of(run.pk)

    async def visit() -> None:
        visits = [Visit(path) for _ in range(streams.PER_VISITOR)]
        for one in visits:
            await one.head()
            await anext(one.parts())
        fifth = Visit(path)
        status, headers = await fifth.head()
        assert (status, headers["retry-after"]) == (429, "15")
        assert b"as JSON instead" in await anext(fifth.parts())
        polled = Visit(path, accept="application/json")
        assert (await polled.head())[0] == 200
        assert json.loads(await anext(polled.parts()))["events"]
        await visits.pop().leave()
        again = Visit(path)
        assert (await again.head())[0] == 200
        for one in (*visits, again):
            await one.leave()

    asyncio.run(visit())
    assert not streams.open_streams


@pytest.mark.django_db(transaction=True)
def test_a_stream_goes_on_from_the_last_id_and_ends_with_the_run(submit):
    run = submit()
    append(run.pk, "progress", progress(2, 0.5)["data"])
    move(run.pk, [State.QUEUED], State.CANCELLED)

    async def visit(**headers: str) -> list[tuple[str, str]]:
        one = Visit(events_of(run.pk), **headers)
        await one.head()
        text = b"".join([part async for part in one.parts()]).decode()
        return re.findall(r"id: (\d+)\nevent: (\w+)", text)

    assert len(asyncio.run(visit())) == 3
    assert asyncio.run(visit(last_event_id="2")) == [("3", "state")]
    assert [event["seq"] for event in events_after(run.pk, 2)] == [3]


@pytest.mark.django_db
def test_a_page_that_waits_for_the_end_gets_it_without_waiting_when_it_is_there(submit):
    run = submit()
    move(run.pk, [State.QUEUED], State.CANCELLED)
    answer = Client().get(reverse("runs:status", args=[run.pk]), {"wait": "1"})
    assert "Cancelled." in answer.content.decode()
