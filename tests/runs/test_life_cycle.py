"""From queued to a final state, with the task's body called directly."""

from __future__ import annotations

import errno
import math
import time
import uuid
from pathlib import Path

import pytest

from demos.results import Artifact, Cancelled, Progress
from kb.runs import perform as performing
from kb.runs import queue, services
from kb.runs.files import file_response
from kb.runs.lifecycle import append, move
from kb.runs.models import Event, Run, State
from kb.runs.perform import perform
from tests.runs.attempts import claimed
from tests.runs.conftest import ANN, quick_demo

pytestmark = pytest.mark.django_db


def states(run: Run) -> list[str]:
    return [e.data["state"] for e in run.events.filter(kind="state")]


def test_a_run_goes_from_queued_over_running_to_done(submit):
    run = submit()
    perform(claimed(), quick_demo)
    run.refresh_from_db()
    assert run.state == State.DONE
    assert run.result["numbers"] == {"loss": 0.33}
    assert run.result["weights"]["trained"] is False
    assert states(run) == ["queued", "running", "done"]
    assert run.started <= run.finished
    assert (run.out / "picture.png").is_file()


def test_the_message_goes_out_only_after_the_row_is_there(
    submit, woken, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks() as callbacks:
        run = submit()
    assert woken == []
    callbacks[0]()
    assert woken == [run.pk]


def test_only_one_of_two_workers_gets_a_run(submit):
    submit()
    assert queue.claim_next() is not None
    assert queue.claim_next() is None


def test_every_point_of_a_curve_arrives_though_writes_are_throttled(submit):
    run = submit()

    def chatty(demo, paper, images, options, out, report):
        for step in range(500):
            report(Progress(step, 500, "", {"loss": [(step, 0.5)]}))
        return quick_demo(demo, paper, images, options, out, lambda p: None)

    perform(claimed(), chatty)
    events = run.events.filter(kind="progress")
    points = [p for e in events for p in e.data["series"].get("loss", [])]
    assert [step for step, _ in points] == list(range(500))
    assert len(events) <= 5


def test_a_loss_that_is_no_number_is_stored_as_null(submit):
    run = submit()

    def diverging(demo, paper, images, options, out, report):
        report(Progress(0, 1, "", {"loss": [(0, math.nan), (1, math.inf)]}))
        return quick_demo(demo, paper, images, options, out, lambda p: None)

    perform(claimed(), diverging)
    series = run.events.filter(kind="progress").first().data["series"]
    assert series == {"loss": [[0, None], [1, None]]}


def test_cancelling_a_waiting_run_ends_it_at_once_and_again_is_no_harm(submit):
    run = submit()
    services.cancel(run, ANN)
    services.cancel(run, ANN)
    run.refresh_from_db()
    assert run.state == State.CANCELLED
    assert states(run) == ["queued", "cancelled"]
    assert queue.claim_next() is None


def test_cancelling_a_working_run_stops_it_at_its_next_report(submit):
    run = submit()
    seen = []

    def long(demo, paper, images, options, out, report):
        for step in range(100):
            if step == 2:
                services.cancel(run, ANN)
                assert Run.objects.get(pk=run.pk).state == State.CANCELLING
            report(Progress(step, 100, ""))
            seen.append(step)
            time.sleep(0.03)

    perform(claimed(), long)
    run.refresh_from_db()
    assert run.state == State.CANCELLED
    assert len(seen) < 8


def test_what_a_cancelled_run_had_shown_can_still_be_seen(submit):
    run = submit()

    def long(demo, paper, images, options, out, report):
        (out / "half.png").write_bytes(b"pixels")
        report(Progress(1, 100, "", artifact=Artifact("half", "image", "half.png", "Half.")))
        services.cancel(run, ANN)
        time.sleep(0.15)
        report(Progress(2, 100, ""))

    perform(claimed(), long)
    run.refresh_from_db()
    assert (run.state, [one["name"] for one in run.artifacts]) == (State.CANCELLED, ["half"])
    assert file_response(run, "half.png").content == b"pixels"


def test_a_partial_picture_is_there_for_a_page_that_asks_after_the_end(submit):
    run = submit()

    def demo(demo, paper, images, options, out, report):
        (out / "half.png").write_bytes(b"pixels")
        report(Progress(1, 2, "", artifact=Artifact("half", "image", "half.png", "Half.")))
        return quick_demo(demo, paper, images, options, out, report)

    perform(claimed(), demo)
    run.refresh_from_db()
    assert [one["name"] for one in run.artifacts] == ["picture", "cases"]
    assert file_response(run, "half.png").status_code == 200


def test_a_result_that_comes_after_the_cancellation_is_dropped(submit):
    run = submit()

    def deaf(demo, paper, images, options, out, report):
        services.cancel(run, ANN)
        return quick_demo(demo, paper, images, options, out, lambda p: None)

    perform(claimed(), deaf)
    run.refresh_from_db()
    assert run.state == State.CANCELLED
    assert run.result is None


def test_a_cancelled_run_is_not_cancelled_twice_over_a_done_one(submit):
    run = submit()
    perform(claimed(), quick_demo)
    services.cancel(run, ANN)
    run.refresh_from_db()
    assert run.state == State.DONE


def test_a_broken_demo_fails_in_words_and_shows_no_trace(submit):
    run = submit()

    def broken(*args):
        raise RuntimeError("/secret/path exploded")

    perform(claimed(), broken)
    run.refresh_from_db()
    assert (run.state, run.error_code) == (State.FAILED, "internal")
    assert "secret" not in run.error


def test_a_full_disk_is_named_and_not_blamed_on_the_demo(submit):
    run = submit()

    def on_a_full_disk(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    perform(claimed(), on_a_full_disk)
    run.refresh_from_db()
    assert (run.state, run.error_code) == (State.FAILED, "no_disk")
    assert "disk was full" in run.error


def test_a_disk_without_room_for_the_attempt_itself_is_named_as_well(submit, monkeypatch):
    run = submit()

    def full(*args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    attempt = claimed()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", full)
        perform(attempt, quick_demo)
    run.refresh_from_db()
    assert (run.state, run.error_code) == (State.FAILED, "no_disk")


def test_a_refusal_of_the_demo_reaches_the_visitor(submit):
    run = submit()

    def refusing(*args):
        raise ValueError("ratio must leave one patch; choose at most 0.95")

    perform(claimed(), refusing)
    run.refresh_from_db()
    assert (run.error_code, "at most 0.95" in run.error) == ("refused", True)


def test_a_run_deleted_while_it_works_leaves_no_files(submit, own_folder):
    run = submit()

    def long(demo, paper, images, options, out, report):
        services.delete(run, ANN)
        (out / "late.png").write_bytes(b"pixels")

    perform(claimed(), long)
    assert list(own_folder.iterdir()) == []


def test_the_first_run_of_a_kind_in_a_process_counts_as_a_cold_start(submit, monkeypatch):
    monkeypatch.setattr(performing, "_met", set())
    for seed in (1, 2):
        submit(seed=seed)
        perform(claimed(), quick_demo)
    assert list(Run.objects.order_by("created").values_list("cold", flat=True)) == [True, False]


def test_deleting_a_working_run_stops_it_without_a_trace(submit):
    run = submit()
    attempt = claimed()

    def long(demo, paper, images, options, out, report):
        services.delete(run, ANN)
        for step in range(100):
            report(Progress(step, 100, ""))
            time.sleep(0.02)
        pytest.fail("went on after the run was deleted")

    perform(attempt, long)
    assert not Run.objects.exists()
    assert not Event.objects.exists()


def test_the_end_is_conditional_on_the_state_and_on_the_attempt(submit):
    run = submit()
    attempt = claimed()
    assert not move(run.pk, [State.QUEUED], State.DONE)
    assert not move(run.pk, [State.RUNNING], State.DONE, held_by=uuid.uuid4())
    assert move(run.pk, [State.RUNNING], State.DONE, held_by=attempt.attempt)


def test_events_are_numbered_without_gaps(submit):
    run = submit()
    for n in range(3):
        append(run.pk, "progress", {"n": n})
    assert [e.seq for e in run.events.all()] == [1, 2, 3, 4]


def test_cancelled_is_what_the_demos_raise():
    assert issubclass(Cancelled, Exception)
    assert not issubclass(Cancelled, ValueError)  # perform tells the two apart
