"""Demos are found by their names and by what is said of them, and open at their form."""

from __future__ import annotations

import pytest
from django.test import Client

from demos.specs import CASES, DEMOS
from kb.catalogue.library import library
from kb.search.documents import documents
from kb.search.service import search, suggest

NEAR = 3

ASKED = [
    ("which part of the picture does the network look at", "/papers/dino/run/attention/"),
    ("attention map demo", "/papers/dino/run/attention/"),
    ("reconstruct hidden patches of my photo", "/papers/mae/run/reconstruction/"),
    ("collapse lab", "/papers/byol/run/byol_collapse/"),
    ("nearest neighbours of my picture", "/papers/vit/run/neighbours/"),
    ("mae demo", "/papers/mae/run/reconstruction/"),
]


@pytest.mark.parametrize(("query", "url"), ASKED, ids=[query for query, _ in ASKED])
def test_who_describes_a_demo_is_offered_it(
    query: str, url: str, library_of: str
) -> None:
    assert url in [hit.url for hit in search(query).results[:NEAR]]


@pytest.mark.parametrize("query", ["nearest neighbours", "jigsaw puzzle", "arrow of time"])
def test_a_paper_of_the_same_name_stands_before_its_demo(
    query: str, library_of: str
) -> None:
    hits = search(query).results
    kinds = [hit.kind for hit in hits]
    assert kinds[0] == "paper"
    assert "demo" in kinds


def test_every_demo_is_a_place_once_and_opens_on_a_paper_that_offers_it(
    client: Client,
) -> None:
    found = {d.anchor: d for d in documents(library()) if d.kind == "demo"}
    drawn = {name for name, demo in DEMOS.items() if CASES not in demo.needs}
    assert set(found) == drawn
    for name, document in found.items():
        paper = library().papers[document.slug]
        assert DEMOS[name] in paper.demos
        assert DEMOS[name].example in ("", document.slug)
        assert document.body.startswith(DEMOS[name].summary)


@pytest.mark.django_db
def test_demos_alone_can_be_asked_for_and_open(library_of: str, client: Client) -> None:
    answer = search("kind:demo attention")
    assert {hit.kind for hit in answer.results} == {"demo"}
    assert answer.results[0].title == "DINO: Attention maps"
    assert client.get(answer.results[0].url).status_code == 200
    assert {hit.kind for hit in search("kind:demo part:video").results} == {"demo"}


@pytest.mark.parametrize(("typed", "label"), [
    ("collapse l", "BYOL: Collapse lab"), ("attention ma", "DINO: Attention maps"),
    ("reconstruct hidden patches", "MAE: Masked reconstruction"),
])  # fmt: skip
def test_demos_are_suggested(typed: str, label: str, library_of: str) -> None:
    suggested = suggest(typed)
    assert label in [row[0] for row in suggested["demo"]]
    assert not {row[0] for row in suggested.get("section", [])} & {label}
