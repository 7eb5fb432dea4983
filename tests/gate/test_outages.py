"""What the machine cannot do just now is a 503 in words; what is a bug stays a 500."""

from __future__ import annotations

import errno

import pytest
from django.db import InterfaceError, OperationalError
from django.test import Client

from kb.runs import queue, services, views

AWAY = [
    OperationalError("connection timeout expired"), InterfaceError("gone"),
    OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EROFS, "Read-only"),
]


@pytest.fixture
def broken(monkeypatch):
    """Let what the page of the queue and the API's submissions need raise this."""

    def put(error: Exception) -> None:
        def raising(*args: object) -> None:
            raise error

        monkeypatch.setattr(views, "board", raising)
        monkeypatch.setattr(services, "earlier", raising)

    return put


@pytest.mark.parametrize("error", AWAY, ids=repr)
def test_a_page_says_that_it_will_pass_and_what_can_be_read_meanwhile(broken, error):
    broken(error)
    answer = Client().get("/queue/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "30")
    assert "database or disk cannot be used just now" in answer.content.decode().replace("&#x27;", "'")
    assert "Content-Security-Policy" in answer


@pytest.mark.parametrize("error", AWAY, ids=repr)
def test_the_api_says_so_in_its_shape(broken, error):
    broken(error)
    answer = Client().post("/api/runs/", {"demo": "attention", "paper": "dino"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "30")
    assert answer.json()["error"]["code"] == "unavailable"


@pytest.mark.parametrize("error", [ValueError("a bug"), FileNotFoundError(errno.ENOENT, "a bug")], ids=repr)
def test_a_bug_stays_what_it_is(broken, error):
    broken(error)
    client = Client(raise_request_exception=False)
    assert client.get("/queue/").status_code == 500
    assert client.post("/api/runs/").status_code == 500


@pytest.mark.django_db
def test_a_form_without_our_cookie_is_refused_in_words():
    answer = Client(enforce_csrf_checks=True).post("/papers/dino/run/attention/", {})
    assert answer.status_code == 403
    assert "Allow cookies for this site" in answer.content.decode()
    assert queue.waiting().count() == 0
