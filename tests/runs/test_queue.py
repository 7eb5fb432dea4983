"""Fair order, positions, caps and estimates."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from kb.runs import queue
from kb.runs.models import Run, State
from kb.runs.perform import perform
from kb.runs.refusals import Refused
from kb.runs.visitors import Visitor
from tests.runs.conftest import ANN, BOB, EVE, quick_demo

pytestmark = pytest.mark.django_db


def owners() -> list[str]:
    """Visitors in the order in which their runs are worked on."""
    order = []
    while run := queue.claim_next():
        order.append(run.visitor.removeprefix("cookie:"))
        perform(run, quick_demo)
    return order


def test_visitors_take_turns_however_many_runs_one_of_them_sends(submit):
    for seed in (1, 2, 3):
        submit(ANN, seed)
    submit(BOB, 4)
    submit(EVE, 5)
    submit(BOB, 6)
    assert owners() == ["ann", "bob", "eve", "ann", "bob", "ann"]


def test_a_newcomer_waits_for_one_round_not_for_the_whole_queue(submit):
    for seed in (1, 2, 3):
        submit(ANN, seed)
    queue.claim_next()
    newcomer = submit(BOB, 4)
    assert queue.position(newcomer) == 1


def test_a_position_never_grows_through_later_runs_of_the_same_round(submit):
    first, second = submit(ANN, 1), submit(BOB, 2)
    before = queue.position(first), queue.position(second)
    for n in range(5):
        submit(Visitor(f"cookie:{n}", "x"), 10 + n)
        assert (queue.position(first), queue.position(second)) == before == (1, 2)


def test_positions_count_what_is_worked_on_before(submit):
    runs = [submit(ANN, 1), submit(ANN, 2), submit(BOB, 3)]
    assert [queue.position(run) for run in runs] == [1, 3, 2]
    perform(queue.claim_next(), quick_demo)
    done, second, bobs = (Run.objects.get(pk=run.pk) for run in runs)
    assert [queue.position(run) for run in (done, bobs, second)] == [None, 1, 2]


def test_one_visitor_has_one_run_working_at_a_time(submit):
    submit(ANN, 1)
    submit(ANN, 2)
    bobs = submit(BOB, 3)
    queue.claim_next()
    assert queue.claim_next().pk == bobs.pk
    assert queue.claim_next() is None


def test_a_visitor_may_have_one_working_and_two_waiting(submit):
    for seed in (1, 2, 3):
        submit(ANN, seed)
    with pytest.raises(Refused) as refused:
        submit(ANN, 4)
    assert refused.value.status == 429
    assert refused.value.retry_after > 0
    assert "3 unfinished runs" in refused.value.message
    submit(BOB, 5)


def test_a_full_queue_says_so(submit, settings):
    settings.RUN_QUEUE_LIMIT = 2
    submit(ANN, 1)
    submit(BOB, 2)
    with pytest.raises(Refused) as refused:
        submit(EVE, 3)
    assert (refused.value.status, refused.value.code) == (429, "queue_full")


def test_a_refused_run_leaves_no_files(submit, settings, own_folder):
    settings.RUN_QUEUE_LIMIT = 0
    with pytest.raises(Refused):
        submit(ANN, 1)
    assert list(own_folder.iterdir()) == []


def past(seconds: float) -> None:
    """A finished run that took so long."""
    end = timezone.now()
    Run.objects.create(
        demo="reconstruction", paper="mae", state=State.DONE, visitor="x",
        cache_key=f"past {seconds}", started=end - timedelta(seconds=seconds),
        finished=end,
    )


def test_nothing_is_promised_before_one_run_is_known(submit):
    assert queue.eta(submit()) is None


def test_the_estimate_spans_median_to_ninetieth_percentile(submit):
    for seconds in range(1, 11):
        past(seconds)
    assert queue.seconds_of("reconstruction") == pytest.approx((5, 9))
    assert queue.eta(submit()) == {"low": 5, "high": 9}


def test_the_estimate_adds_the_runs_before(submit):
    past(4)
    submit(ANN, 1)
    assert queue.eta(submit(BOB, 2)) == {"low": 8, "high": 8}
    queue.claim_next()
    assert queue.eta(Run.objects.get(visitor=BOB.id)) == {"low": 8, "high": 8}


def test_a_working_run_has_what_is_left_of_the_usual_time(submit):
    past(10)
    submit()
    run = queue.claim_next()
    run.started -= timedelta(seconds=7)
    run.save()
    assert queue.eta(run) == {"low": 3, "high": 3}


def test_a_run_queued_again_keeps_its_place(submit):
    first = submit(ANN, 1)
    submit(BOB, 2)
    queue.claim_next()
    Run.objects.filter(pk=first.pk).update(state=State.QUEUED)
    first.refresh_from_db()
    assert queue.position(first) == 1
