"""Beside a working demo: its heart beats, and it ends when it is time."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from demos.results import Progress
from kb.runs import services
from kb.runs.models import Run, State
from kb.runs.perform import perform
from kb.runs.watch import TimeUp, Watch
from tests.runs.attempts import claimed
from tests.runs.conftest import ANN
from tests.services import wait_until

pytestmark = pytest.mark.django_db


def test_a_demo_that_never_reports_is_stopped_by_the_clock(submit):
    submit()
    with pytest.raises(TimeUp), Watch(claimed(), 0.3, print):
        time.sleep(60)


def test_a_demo_that_never_reports_is_cancelled_all_the_same(submit):
    run = submit()

    def deaf(demo, paper, images, options, out, report):
        services.cancel(run, ANN)
        time.sleep(60)

    perform(claimed(), deaf)
    run.refresh_from_db()
    assert run.state == State.CANCELLED


def test_a_demo_that_never_reports_keeps_its_heart_beating(submit, settings):
    settings.RUN_HEARTBEAT_SECONDS = 1
    submit()
    run = claimed()
    first = run.heartbeat

    def beaten() -> bool:
        run.refresh_from_db()
        return run.heartbeat > first

    with Watch(run, 60, print):
        wait_until(beaten)


def test_nothing_interrupts_a_report_in_the_middle(submit):
    submit()
    ended = []

    def report(progress: Progress) -> None:
        time.sleep(0.5)  # the limit passes meanwhile
        ended.append(progress)

    def demo() -> None:
        with Watch(claimed(), 0.1, report) as watch:
            watch.report(Progress(0, 1, ""))
            time.sleep(60)

    with pytest.raises(TimeUp):
        demo()
    assert len(ended) == 1


def test_a_working_run_is_given_up_when_its_visitor_gives_up(submit):
    run = submit()
    Run.objects.update(deadline=run.created + timedelta(seconds=7))
    attempt = claimed()

    def slow(demo, paper, images, options, out, report):
        past = timezone.now() - timedelta(seconds=7)
        Run.objects.update(created=past, deadline=past + timedelta(seconds=7))
        time.sleep(60)

    perform(attempt, slow)
    run.refresh_from_db()
    assert (run.state, run.error_code) == (State.FAILED, "deadline")
    assert "after 7 s, as asked" in run.error


def test_time_up_ends_the_run_with_the_limit_named(submit):
    run = submit()

    def slow(*args):
        raise TimeUp

    perform(claimed(), slow)
    run.refresh_from_db()
    assert (run.error_code, "90 s" in run.error) == ("time_limit", True)
