"""So many expensive requests a minute from one address, and then a sentence."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import get_resolver

from kb.gate import limits
from kb.search import views

pytestmark = pytest.mark.django_db
NOON = 1_700_000_080.0  # 20 s before a new window


@pytest.fixture(autouse=True)
def clock(settings, monkeypatch):
    """Two of each a minute; the time stands still until it is set."""
    settings.REQUESTS_PER_MINUTE = dict.fromkeys(limits.WORDS, 2)
    cache.clear()
    now = {"now": NOON}
    monkeypatch.setattr(limits.time, "time", lambda: now["now"])
    monkeypatch.setattr(views.service, "suggest", lambda typed: {})
    yield now
    cache.clear()


def searched(address: str = "203.0.113.9", **cookies: str) -> int:
    client = Client(REMOTE_ADDR=address)
    client.cookies.load(cookies)
    return client.get("/search/suggest/?q=a").status_code


def test_the_third_is_told_when_to_come_back():
    assert [searched(), searched()] == [200, 200]
    answer = Client(REMOTE_ADDR="203.0.113.9").get("/search/suggest/?q=a")
    assert answer.status_code == 429
    assert answer["Retry-After"] == "20"
    assert "More than 2 searches came from your address within a minute. Try again in 20 s." in answer.content.decode()


def test_a_new_minute_counts_anew(clock):
    assert [searched(), searched(), searched()] == [200, 200, 429]
    clock["now"] += 20
    assert searched() == 200


def test_another_address_is_not_held_up_and_another_cookie_is_no_way_round():
    assert [searched(), searched()] == [200, 200]
    assert searched(visitor="another") == 429
    assert searched("203.0.113.8") == 200


def test_a_network_of_ipv6_is_one_address():
    found = [searched(f"2001:db8:1:2::{n}") for n in range(3)]
    assert found == [200, 200, 429]


def test_the_machine_itself_is_not_counted():
    assert [searched("127.0.0.1") for _ in range(5)] == [200] * 5


def test_the_api_says_it_in_its_own_shape():
    client = Client(REMOTE_ADDR="203.0.113.9")
    answers = [client.post("/api/runs/", {}) for _ in range(3)]
    assert [a.status_code for a in answers] == [400, 400, 429]
    assert answers[2].json()["error"]["code"] == "too_many_requests"
    assert int(answers[2]["Retry-After"]) == 20


def test_looking_at_the_form_is_not_sending_it():
    client = Client(REMOTE_ADDR="203.0.113.9")
    form = "/papers/dino/run/attention/"
    assert [client.get(form).status_code for _ in range(4)] == [200] * 4
    assert [client.post(form, {}).status_code for _ in range(3)] == [400, 400, 429]


@pytest.mark.parametrize("route", limits.COUNTED)
def test_every_counted_name_is_a_view_of_the_site(route):
    space, _, name = route.partition(":")
    assert name in {key for key in get_resolver("kb.urls").namespace_dict[space][1].reverse_dict if isinstance(key, str)}


def test_a_full_cache_that_forgets_lets_the_request_pass(monkeypatch):
    def gone(key):
        raise ValueError(key)

    monkeypatch.setattr(limits.cache, "incr", gone)
    assert limits.count("search x", NOON) == 1
