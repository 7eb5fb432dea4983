"""Real web server, real worker, real broker: what kill -9 and a lost message leave."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runs.stack import Stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The embedded default: SQLite and messages as files."""
    site = Stack(tmp_path_factory.mktemp("site"))
    site.start_web()
    yield site
    site.stop()


@pytest.fixture(scope="module")
def redis_stack(
    tmp_path_factory: pytest.TempPathFactory, redis_server: str, postgres_server: str
) -> Iterator[Stack]:
    """Beyond one machine: PostgreSQL and Redis."""
    site = Stack(
        tmp_path_factory.mktemp("services"), CELERY_BROKER_URL=redis_server,
        DATABASE_URL=postgres_server,
    )
    site.start_web()
    yield site
    site.stop()


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The stack that the parameter names, without a worker from another test."""
    found: Stack = request.getfixturevalue(request.param)
    yield found
    for process in found.processes[1:]:
        if process.poll() is None:
            found.kill(process)


both = pytest.mark.parametrize(
    "site", ["stack", pytest.param("redis_stack", marks=pytest.mark.services)],
    indirect=True,
)


@both
def test_a_worker_killed_in_the_middle_loses_nothing(site: Stack, record_property):
    worker = site.start_worker()
    run_id = site.submit(60)
    site.wait_for(run_id, "running")
    time.sleep(0.5)
    site.kill(worker)
    assert site.look(run_id)["state"] == "running"
    began = time.monotonic()
    site.start_worker()
    run = site.wait_for(run_id, "done", seconds=60)
    record_property("seconds_from_restart_to_done", time.monotonic() - began)
    assert run["attempts"] == 2
    assert run["result"]["numbers"]["steps"] == 60


@both
def test_cancelling_takes_less_than_a_second(site: Stack, record_property):
    site.start_worker()
    waits = []
    for steps in (2000, 2001, 2002):
        run_id = site.submit(steps)
        site.wait_for(run_id, "running")
        began = time.monotonic()
        status, answer = site.call("POST", f"/api/runs/{run_id}/cancel/")
        assert status == 200
        assert answer["state"] in ("cancelling", "cancelled")
        site.wait_for(run_id, "cancelled", seconds=5)
        waits.append(time.monotonic() - began)
        assert site.call("POST", f"/api/runs/{run_id}/cancel/")[0] == 200
    record_property("seconds_to_cancel", waits)
    assert max(waits) < 1


@both
def test_a_run_starts_soon_after_it_was_sent(site: Stack, record_property):
    site.start_worker()
    site.wait_for(site.submit(1), "done")
    waits = []
    for steps in (3, 4, 5, 6, 7):
        began = time.monotonic()
        run_id = site.submit(steps)
        site.wait_for(run_id, "running", "done")
        waits.append(time.monotonic() - began)
        site.wait_for(run_id, "done")
    record_property("seconds_to_start", waits)
    assert min(waits) < 1


@both
def test_a_run_can_be_deleted_while_its_worker_reports(site: Stack):
    site.run("-m", "tests.runs.deleted_meanwhile")


def test_a_lost_message_loses_no_run(stack: Stack):
    run_id = stack.submit(2)
    messages = stack.var / "broker"
    shutil.rmtree(messages)
    messages.mkdir()
    worker = stack.start_worker()
    stack.wait_for(run_id, "done")
    stack.kill(worker)


def test_events_arrive_while_the_run_goes_on_and_replay_from_an_id(stack: Stack):
    worker = stack.start_worker()
    run_id = stack.submit(41)
    arrived = list(stack.stream(run_id))
    kinds = [event["event"] for _, event in arrived]
    assert kinds[-1] == "end"
    first, last = (
        next(at for at, event in order if event["event"] == "progress")
        for order in (arrived, reversed(arrived))
    )
    assert last - first > 1  # a buffered stream would bring them all at once
    stored = [event for _, event in arrived if "id" in event]
    # Reports that wait together go out as one, so numbers may be left out, points not.
    ids = [int(event["id"]) for event in stored]
    assert ids == sorted(set(ids))
    assert steps_told(stored) == list(range(41))
    replayed = [event for _, event in stack.stream(run_id, after=ids[3]) if "id" in event]
    assert steps_told(replayed) == steps_told(stored[4:])
    stack.kill(worker)


def steps_told(events: list[dict]) -> list[int]:
    """The steps of the curve that these events carry."""
    told = [json.loads(event["data"]) for event in events if event["event"] == "progress"]
    return [step for data in told for step, _ in data["series"].get("loss", [])]


def test_neither_web_server_nor_worker_parent_has_torch_loaded(stack: Stack):
    worker = stack.start_worker()
    stack.wait_for(stack.submit(8), "done")
    for process in (stack.processes[0], worker):
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        assert "libtorch" not in maps
    stack.kill(worker)
