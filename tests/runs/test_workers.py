"""Beside the runs: a worker lives, sweeps, leaves, and ends with its site."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest import mock

import psutil
import pytest
from django.db import OperationalError, connection

from kb.runs import queue, tasks, workers
from kb.runs.models import Run, State
from tests.runs.stack import ROOT, Stack
from tests.services import free_port, wait_until


@pytest.fixture(autouse=True)
def kept_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn ends by closing its connection, which here is the test's own."""
    monkeypatch.setattr(connection, "close", lambda: None)


@pytest.mark.django_db
def test_a_turn_says_that_the_worker_lives_and_leaving_takes_it_back(submit):
    keeper = workers.Keeper(slots=2)
    assert (queue.workers_alive(), workers.signed_on()) == (0, False)
    keeper.safely(keeper.turn)
    keeper.safely(keeper.turn)
    assert (queue.workers_alive(), queue.slots_alive(), workers.signed_on()) == (1, 2, True)
    run = submit()
    queue.claim_next(workers.NAME)
    keeper.safely(workers.leave)
    run.refresh_from_db()
    assert (run.state, run.attempts, queue.workers_alive()) == (State.QUEUED, 0, 0)


@pytest.mark.django_db
def test_a_worker_that_is_leaving_takes_no_run(submit, monkeypatch):
    monkeypatch.setitem(sys.modules, "demos.runner", mock.Mock())
    run = submit()
    tasks.work(str(run.pk))
    assert Run.objects.get().state == State.QUEUED


@pytest.mark.parametrize("error", [OperationalError("gone"), ValueError("a bug")])
def test_a_turn_that_fails_is_not_the_last_one(error):
    turns = iter([error, None])

    def turn() -> None:
        if failed := next(turns):
            raise failed

    keeper = workers.Keeper(slots=1)
    keeper.safely(turn)
    keeper.safely(turn)
    assert list(turns) == []
    assert not workers.turning.locked()


def test_a_worker_asked_to_stop_in_the_middle_of_a_run_is_gone_at_once(tmp_path: Path):
    site = Stack(tmp_path)
    site.start_web()
    try:
        worker = site.start_worker()
        run_id = site.submit(2000)
        site.wait_for(run_id, "running", seconds=60)
        family = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children()]
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0
        _, alive = psutil.wait_procs(family, timeout=20)
        assert not alive
        run = site.look(run_id)
        assert (run["state"], run["attempts"]) == ("queued", 0)
    finally:
        site.stop()


def test_kill_9_of_the_site_takes_its_worker_along(tmp_path: Path):
    environment = os.environ | {"KB_VAR_DIR": str(tmp_path), "PORT": str(free_port())}
    site = subprocess.Popen(
        [sys.executable, "manage.py", "serve"], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, start_new_session=True,
    )
    family, everyone = psutil.Process(site.pid), []
    try:
        wait_until(lambda: len(family.children(recursive=True)) >= 2, 300, "the worker")
        everyone = family.children(recursive=True)
        site.kill()
        site.wait()
        _, alive = psutil.wait_procs(everyone, timeout=60)
        assert not alive, [process.cmdline() for process in alive]
    finally:
        site.kill()
        for process in filter(psutil.Process.is_running, everyone):
            process.kill()
