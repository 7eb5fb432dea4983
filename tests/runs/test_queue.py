"""Fair order, positions, caps and estimates."""

from __future__ import annotations

import random
import secrets
from contextlib import suppress
from datetime import timedelta

import pytest
from django.utils import timezone

from kb.runs import queue, services
from kb.runs.models import Run, State, Worker
from kb.runs.perform import perform
from kb.runs.refusals import Refused
from kb.runs.visitors import Visitor
from tests.runs.conftest import ANN, BOB, EVE, quick_demo

pytestmark = pytest.mark.django_db
ROUNDED = 1  # seconds that the upper end is given on top


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


def positions() -> dict[str, int | None]:
    """Of all runs by their seed."""
    return {str(run.options["seed"]): queue.position(run) for run in Run.objects.all()}


def test_a_newcomer_waits_for_one_round_not_for_the_whole_queue(submit):
    for seed in (1, 2, 3):
        submit(ANN, seed)
    assert queue.position(submit(BOB, 4)) == 2
    assert owners() == ["ann", "bob", "ann", "ann"]


def test_a_visitors_later_run_has_its_place_once_the_one_before_has_started(submit):
    for visitor, seed in ((ANN, 1), (ANN, 2), (BOB, 3)):
        submit(visitor, seed)
    assert positions() == {"1": 1, "2": None, "3": 2}
    queue.claim_next()
    assert positions() == {"1": None, "2": 2, "3": 1}


def test_nobody_moves_back_for_a_run_that_is_taken_up_again(submit):
    first = submit(ANN, 1)
    submit(BOB, 2)
    queue.claim_next()
    before = positions()
    assert before == {"1": None, "2": 1}
    Run.objects.filter(pk=first.pk).update(state=State.QUEUED)
    assert positions() == {"1": 1, "2": 1}
    assert queue.claim_next().pk == first.pk  # it had its turn already
    assert positions() == before


@pytest.mark.parametrize("seed", range(8))
def test_no_position_ever_grows_whatever_happens(submit, seed):
    chance = random.Random(seed)
    visitors = [Visitor(f"cookie:{n}", "x") for n in range(5)]
    seen: dict[str, int] = {}
    for step in range(50):
        act = chance.choice(["submit", "submit", "claim", "end", "lose", "cancel"])
        runs = Run.objects.exclude(state=State.DONE).order_by("created")
        run = chance.choice(runs) if runs else None
        if act == "submit":
            with suppress(Refused):
                submit(chance.choice(visitors), step)
        elif act == "claim":
            queue.claim_next()
        elif run and act == "cancel":
            services.cancel(run, Visitor(run.visitor, "x"))
        elif run and run.state == State.RUNNING:
            gone = State.DONE if act == "end" else State.QUEUED
            Run.objects.filter(pk=run.pk).update(state=gone)
        for name, place in positions().items():
            if place is not None:
                assert place <= seen.get(name, place)
                seen[name] = place


def test_a_newcomer_is_overtaken_by_nobody_of_the_line(submit):
    submit(ANN, 1)
    submit(ANN, 2)
    queue.claim_next()  # Ann's second run is at the front, and cannot start yet
    submit(BOB, 3)
    submit(ANN, 4)
    assert positions() == {"1": None, "2": 1, "3": 2, "4": None}
    assert queue.claim_next().visitor == BOB.id


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


def past(seconds: float, **fields: object) -> None:
    """A finished run that took so long, by the worker that is alive."""
    Worker.objects.get_or_create(name="one", defaults={"slots": 1})
    end = timezone.now()
    given = {"paper": "mae", "options": {"seed": 0, "ratio": 0.75}, **fields}
    Run.objects.create(
        demo="reconstruction", state=State.DONE, visitor="x", worker="one",
        cache_key=secrets.token_hex(8), started=end - timedelta(seconds=seconds),
        finished=end, **given,
    )


def test_nothing_is_promised_before_one_run_is_known(submit):
    Worker.objects.create(name="one", slots=1)
    assert queue.eta(submit()) is None


def test_nothing_is_promised_while_no_worker_is_alive(submit):
    past(4)
    run = submit()
    assert queue.eta(run) is not None
    Worker.objects.update(seen=timezone.now() - timedelta(seconds=11))
    assert queue.workers_alive() == 0
    assert queue.eta(run) is None


def test_the_usual_time_spans_median_to_ninetieth_percentile():
    for seconds in range(1, 11):
        past(seconds)
    assert queue.seconds_of("reconstruction") == pytest.approx((5, 9))


def test_eight_of_ten_past_runs_ended_inside_the_estimate(submit):
    for seconds in range(1, 11):
        past(seconds)
    assert queue.eta(submit()) == {"low": 1, "high": 9 + ROUNDED}


def test_the_estimate_adds_the_runs_before(submit):
    past(4)
    submit(ANN, 1)
    assert queue.eta(submit(BOB, 2)) == {"low": 8, "high": 8 + ROUNDED}
    queue.claim_next()
    assert queue.eta(Run.objects.get(visitor=BOB.id))["high"] == 8 + ROUNDED


def test_more_workers_shorten_it_but_not_behind_ones_own_run(submit):
    past(4)
    submit(ANN, 1)
    own, other = submit(ANN, 2), submit(BOB, 3)
    Worker.objects.create(name="two", slots=1)
    assert queue.eta(other)["high"] == 4 + ROUNDED
    assert queue.eta(own)["high"] == 8 + ROUNDED


def test_a_working_run_has_what_is_left_of_the_usual_time(submit):
    past(10)
    submit()
    run = queue.claim_next()
    run.started -= timedelta(seconds=7)
    run.save()
    assert queue.eta(run) == {"low": 2, "high": 3 + ROUNDED}


@pytest.mark.parametrize(
    ("field", "value"),
    [("options", {"seed": 0, "ratio": 0.1}), ("pixels", 64 * 48 * 20), ("cold", True)],
)
def test_runs_of_another_kind_do_not_count_where_there_are_enough_alike(
    submit, field, value
):
    for _ in range(5):
        past(2, pixels=64 * 48)
        past(20, **{"pixels": 64 * 48, field: value})
    assert queue.eta(submit())["high"] == 2 + ROUNDED


def test_a_worker_that_never_did_a_demo_takes_as_long_as_first_runs_did(submit):
    for _ in range(5):
        past(2)
        past(20, cold=True)
    run = submit()
    assert queue.eta(run)["high"] == 2 + ROUNDED
    Run.objects.filter(state=State.DONE).update(worker="another, gone")
    assert queue.eta(run)["high"] == 20 + ROUNDED
