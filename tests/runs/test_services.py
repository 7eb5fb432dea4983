"""Sharing, owning, cancelling and deleting."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from kb.runs import queue, services
from kb.runs.models import Run, State
from kb.runs.perform import perform
from tests.runs.conftest import ANN, BOB, EVE, quick_demo

pytestmark = pytest.mark.django_db


def state(run: Run) -> str:
    return Run.objects.get(pk=run.pk).state


def test_an_identical_run_in_flight_is_joined(submit, own_folder):
    first, second = submit(ANN, 1), submit(BOB, 1)
    assert first.pk == second.pk
    assert Run.objects.count() == 1
    assert [f.name for f in own_folder.iterdir()] == [str(first.pk)]


def test_an_identical_run_that_is_done_is_the_answer(submit):
    first = submit(ANN, 1)
    perform(queue.claim_next(), quick_demo)
    assert submit(BOB, 1).pk == first.pk
    assert submit(BOB, 2).pk != first.pk


def test_a_failed_or_cancelled_run_is_no_answer(submit):
    first = submit(ANN, 1)
    services.cancel(first, ANN)
    assert submit(ANN, 1).pk != first.pk


def test_the_database_itself_refuses_a_second_identical_run_in_flight(submit):
    run = submit(ANN, 1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Run.objects.create(demo=run.demo, paper="mae", cache_key=run.cache_key)


def test_losing_the_race_for_an_identical_run_joins_it(submit, monkeypatch):
    first = submit(ANN, 1)
    real, seen = services.identical, []

    def blind_once(key: str, fresh: bool) -> Run | None:
        seen.append(key)
        return None if len(seen) == 1 else real(key, fresh)

    monkeypatch.setattr(services, "identical", blind_once)
    with transaction.atomic():
        assert submit(BOB, 1).pk == first.pk
    assert len(seen) == 2


def test_the_same_key_from_the_same_visitor_is_the_same_run(submit):
    first = submit(ANN, 1, key="k")
    assert submit(ANN, 2, key="k").pk == first.pk
    assert submit(BOB, 2, key="k").pk != first.pk
    assert submit(ANN, 3, key="other").pk != first.pk


def test_a_key_is_remembered_for_a_joined_run_too(submit):
    first = submit(ANN, 1)
    submit(BOB, 1, key="k")
    assert submit(BOB, 9, key="k").pk == first.pk


def test_cancelling_a_shared_run_leaves_it_to_the_other(submit):
    run = submit(ANN, 1)
    submit(BOB, 1)
    services.cancel(run, ANN)
    services.cancel(run, ANN)
    assert state(run) == State.QUEUED
    assert Run.objects.get(pk=run.pk).visitor == BOB.id
    services.cancel(run, BOB)
    assert state(run) == State.CANCELLED


def test_a_shared_run_no_longer_counts_against_who_left_it(submit):
    run = submit(ANN, 1)
    submit(BOB, 1)
    services.cancel(run, ANN)
    for seed in (2, 3, 4):
        submit(ANN, seed)


def test_who_comes_back_to_a_shared_run_waits_for_it_again(submit):
    run = submit(ANN, 1)
    submit(BOB, 1)
    services.cancel(run, ANN)
    submit(ANN, 1)
    services.cancel(run, BOB)
    assert state(run) == State.QUEUED


def test_a_shared_run_lives_as_long_as_the_most_patient_wants(submit):
    run = submit(ANN, 1, patience=60)
    first = run.deadline
    assert run.patience == 60
    submit(BOB, 1, patience=30)
    assert Run.objects.get().deadline == first
    submit(BOB, 1, patience=90)
    assert Run.objects.get().deadline > first
    submit(EVE, 1)
    assert Run.objects.get().deadline is None


def test_only_who_asked_for_a_run_owns_it(submit):
    run = submit(ANN, 1)
    submit(BOB, 1)
    owned = [services.owns(run, v) for v in (ANN, BOB, EVE)]
    assert owned == [True, True, False]


def test_deleting_removes_row_and_files_at_once(
    submit, django_capture_on_commit_callbacks
):
    run = submit(ANN, 1)
    perform(queue.claim_next(), quick_demo)
    with django_capture_on_commit_callbacks(execute=True):
        services.delete(run, ANN)
    assert not Run.objects.filter(pk=run.pk).exists()
    assert not run.folder.exists()


def test_deleting_a_shared_run_leaves_it_to_the_other(submit):
    run = submit(ANN, 1)
    submit(BOB, 1)
    services.delete(run, ANN)
    assert run.folder.exists()
    services.delete(run, BOB)
    assert not Run.objects.exists()
