"""Papers, demos, search and probes, over the repository's own entries."""

from __future__ import annotations

import pytest
from django.test import Client

from demos.specs import DEMOS
from kb.api import shapes
from kb.catalogue.library import library
from tests.runs.conftest import quick_demo  # noqa: F401

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return Client()


def test_the_list_has_every_paper_and_each_can_be_read(client):
    rows = client.get("/api/papers/").json()
    assert [row["slug"] for row in rows] == list(library().papers)
    assert set(rows[0]) == set(shapes.PaperRow().fields)
    for row in rows:
        paper = client.get(f"/api/papers/{row['slug']}/").json()
        assert set(paper) == set(shapes.PaperAnswer().fields)


def test_a_symbol_comes_with_lines_and_the_address_that_opens_it(client):
    paper = client.get("/api/papers/mae/").json()
    symbol = next(s for s in paper["symbols"] if s["name"] == "MAE")
    assert symbol["kind"] == "class"
    assert symbol["first"] < symbol["last"]
    assert symbol["url"] == "/papers/mae/#def-MAE"


def test_an_unknown_paper_is_404_in_the_common_shape(client):
    answer = client.get("/api/papers/nothing/")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


def test_demos_come_with_options_limits_and_papers(client):
    demos = {demo["name"]: demo for demo in client.get("/api/demos/").json()}
    assert set(demos) == set(DEMOS)
    ratio = demos["reconstruction"]["options"][0]
    assert (ratio["type"], ratio["low"], ratio["high"]) == ("float", 0.1, 0.95)
    assert set(ratio) == set(shapes.DemoOption().fields)
    assert "mae" in demos["reconstruction"]["papers"]
    assert demos["reconstruction"]["images"] == {"min": 1, "max": 1}


def test_search_finds_a_paper_by_its_name(client):
    answer = client.get("/api/search/", {"q": "masked autoencoder"}).json()
    assert set(answer) == set(shapes.SearchAnswer().fields)
    assert answer["count"] > 0
    assert answer["results"][0]["slug"] == "mae"
    assert set(answer["results"][0]) == set(shapes.Hit().fields)


@pytest.mark.parametrize(
    "query", ["", "\0", '"', "((", "a" * 10_000, "year:²", "*", "-", "🙂", "def:"]
)
def test_no_query_breaks_the_search(client, query):
    assert client.get("/api/search/", {"q": query}).status_code == 200


@pytest.mark.parametrize("page", ["0", "-1", "x", "9" * 5000, "²"])
def test_no_page_number_breaks_the_search(client, page):
    answer = client.get("/api/search/", {"q": "mae", "page": page})
    assert answer.status_code == 200
