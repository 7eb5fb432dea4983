"""What one address may have in the queue, whatever cookies it comes with."""

from __future__ import annotations

import pytest

from kb.gate import logs
from kb.runs import queue
from kb.runs.models import Run
from kb.runs.refusals import Refused
from kb.runs.visitors import Visitor

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def three(settings):
    """Three runs at a time from one address."""
    settings.RUN_PER_ADDRESS = 3


def enter(cookie: str, address: str = "classroom", state: str = "queued") -> Run:
    visitor = Visitor(f"cookie:{cookie}", address)
    queue.check_room(visitor)
    return Run.objects.create(
        demo="attention", paper="vit", visitor=visitor.id, address=visitor.address, cache_key=cookie, state=state
    )


def test_a_new_cookie_for_each_run_is_no_way_round_the_limit():
    for cookie in "abc":
        enter(cookie)
    with pytest.raises(Refused, match="3 runs from your address are unfinished") as refused:
        enter("d")
    assert (refused.value.status, refused.value.code, refused.value.retry_after) == (429, "address_limit", 15)


def test_other_addresses_and_finished_runs_do_not_count():
    for cookie in "abc":
        enter(cookie, state="done")
    for cookie in "def":
        enter(cookie, "elsewhere")
    enter("g")


def test_a_message_to_the_worker_names_the_request_that_sent_it(rf):
    from kb.celery import name_the_request

    request = rf.get("/")
    request.id = "request-1"
    headers: dict = {}
    logs.serving(request)
    name_the_request(headers)
    logs.serving(None)
    assert headers == {"request_id": "request-1"}


def test_the_worker_says_which_request_asked_only_for_the_run_that_it_named(monkeypatch):
    from kb.runs import tasks

    run, seen = enter("a"), []
    monkeypatch.setattr(tasks.workers, "signed_on", lambda: True)
    monkeypatch.setattr(tasks.queue, "claim_next", lambda *worker: run)
    monkeypatch.setattr(tasks, "perform", lambda *args: seen.append(logs.origin()))
    for named in (str(run.pk), "another"):
        tasks.work.push_request(request_id="request-1")
        tasks.work.run(named)
        tasks.work.pop_request()
    assert seen == [logs.About("request-1", str(run.pk)), logs.About("", str(run.pk))]
