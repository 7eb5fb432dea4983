"""What nobody else notices: silent workers, lost messages, things past their time."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta
from unittest import mock

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from kb.runs import queue, services
from kb.runs import sweep as sweeping
from kb.runs.models import Run, State, Worker
from kb.runs.perform import perform
from tests.runs.attempts import claimed, silence
from tests.runs.conftest import ANN, BOB, quick_demo

pytestmark = pytest.mark.django_db


def test_a_silent_worker_loses_its_run_to_the_next_attempt(submit):
    run = submit()
    first = claimed()
    silence(run)
    sweeping.recover()
    second = claimed()
    assert (second.pk, second.attempts) == (run.pk, 2)
    perform(first, quick_demo)  # the first one wakes up again
    run.refresh_from_db()
    assert run.state == State.RUNNING
    perform(second, quick_demo)
    run.refresh_from_db()
    assert run.state == State.DONE
    assert run.attempt == second.attempt


def test_after_three_lost_workers_a_run_fails_with_a_reason(submit, settings):
    run = submit()
    for _ in range(settings.RUN_MAX_ATTEMPTS):
        claimed()
        silence(run)
        sweeping.recover()
    run.refresh_from_db()
    assert run.state == State.FAILED
    assert run.error_code == "worker_lost"
    assert "3 times" in run.error


def test_a_cancelling_run_whose_worker_died_ends_as_cancelled(submit):
    run = submit()
    claimed()
    services.cancel(run, ANN)
    silence(run)
    sweeping.recover()
    run.refresh_from_db()
    assert run.state == State.CANCELLED


def test_a_worker_that_is_heard_keeps_its_run(submit):
    run = submit()
    claimed()
    sweeping.recover()
    run.refresh_from_db()
    assert run.state == State.RUNNING


def test_the_sweep_wakes_workers_for_runs_whose_message_was_lost(submit, monkeypatch):
    run = submit()
    sent: list[uuid.UUID] = []
    monkeypatch.setattr(sweeping, "wake_worker", lambda pk: sent.append(pk) or True)
    sweeping.sweep()
    assert sent == []  # nobody is there
    Worker.objects.create(name="one", slots=1)
    sweeping.sweep()
    assert sent == [run.pk]
    claimed()
    submit(BOB, 2)
    sweeping.sweep()
    assert sent == [run.pk]  # its slot is taken


def test_the_sweep_asks_a_broker_that_is_away_once_and_not_for_each_run(submit, monkeypatch):
    submit()
    submit(BOB, 2)
    tried: list[uuid.UUID] = []
    monkeypatch.setattr(sweeping, "wake_worker", lambda pk: tried.append(pk) and False)
    Worker.objects.create(name="one", slots=2)
    sweeping.sweep()
    assert len(tried) == 1


def test_a_waiting_run_is_given_up_and_not_started_any_more(submit):
    run = submit()
    past = timezone.now() - timedelta(seconds=6)
    Run.objects.update(created=past, deadline=past + timedelta(seconds=5))
    assert queue.claim_next() is None
    sweeping.sweep()
    run.refresh_from_db()
    assert (run.state, run.error_code) == (State.FAILED, "deadline")
    assert "after 5 s, as asked, before a worker was free" in run.error
    assert run.events.last().data["error"]["code"] == "deadline"


def test_who_looks_at_an_overdue_run_sees_it_given_up_without_any_worker(submit):
    run = submit()
    run.deadline = run.created
    assert queue.up_to_date(run).error_code == "deadline"


def test_a_worker_that_is_stopped_gives_its_run_back_at_once(submit):
    run = submit()
    first = queue.claim_next("one")

    def interrupted(demo, paper, images, options, out, report):
        (out / "half.png").write_bytes(b"pixels")
        sweeping.release("one")
        time.sleep(60)

    perform(first, interrupted)
    run.refresh_from_db()
    assert (run.state, run.attempts) == (State.QUEUED, 0)
    assert [path.name for path in run.folder.iterdir()] == ["picture.png"]
    perform(claimed(), quick_demo)
    run.refresh_from_db()
    assert (run.state, run.attempts) == (State.DONE, 1)


def test_a_run_whose_database_went_away_is_left_to_the_next_attempt(submit):
    run = submit()

    def cut_off(*args):
        raise OperationalError("server closed the connection")

    with mock.patch.object(connection, "close"):
        perform(claimed(), cut_off)
    run.refresh_from_db()
    assert run.state == State.RUNNING
    silence(run)
    sweeping.recover()
    perform(claimed(), quick_demo)
    run.refresh_from_db()
    assert run.state == State.DONE


def test_what_a_lost_attempt_wrote_is_removed(submit):
    run = submit()
    first = claimed()
    first.out.mkdir()
    silence(run)
    sweeping.recover()
    assert not first.out.exists()
    first.out.mkdir()  # it still lives and goes on
    perform(claimed(), quick_demo)
    assert not first.out.exists()


def test_old_results_expire_with_their_files_and_pinned_ones_stay(submit):
    old, kept = submit(ANN, 1), submit(BOB, 2)
    for _ in range(2):
        perform(claimed(), quick_demo)
    services.keep(kept, True)
    Run.objects.update(finished=timezone.now() - timedelta(days=8))
    sweeping.expire()
    old.refresh_from_db()
    kept.refresh_from_db()
    assert (old.state, old.result, old.images) == (State.EXPIRED, None, [])
    assert not old.folder.exists()
    assert kept.state == State.DONE
    assert kept.folder.exists()


def test_files_that_belong_to_nothing_are_removed(submit, own_folder, settings, tmp_path):
    run = submit()
    orphan, foreign = own_folder / str(uuid.uuid4()), own_folder / "notes"
    for folder in (orphan, foreign):
        folder.mkdir()
    settings.BROKER_DIR = tmp_path / "broker"
    settings.BROKER_DIR.mkdir()
    half, message = settings.BROKER_DIR / ".1-a.cpu", settings.BROKER_DIR / "1-b.cpu"
    for file in (half, message):
        file.touch()
    sweeping.remove_orphans()
    assert all(path.exists() for path in (orphan, half))  # not old enough
    settings.RUN_ORPHAN_SECONDS = -1
    sweeping.remove_orphans()
    assert not any(path.exists() for path in (orphan, half))
    assert all(path.exists() for path in (foreign, message, run.folder))
