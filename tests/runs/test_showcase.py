"""The page of demos: every family, every demo, every paper that offers it."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from demos.specs import DEMOS, FAMILIES
from kb.runs.showcase import families

pytestmark = pytest.mark.django_db  # the visitor's session may be looked up


@pytest.fixture(scope="module")
def cards() -> dict:
    return {card.demo.name: card for family in families() for card in family.cards}


@pytest.fixture(scope="module")
def page() -> str:
    answer = Client().get("/demos/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_no_demo_is_left_out(cards):
    assert set(cards) == set(DEMOS)


def test_the_first_link_leads_where_the_example_was_made(cards):
    attention = cards["attention"]
    assert attention.papers[0].slug == attention.example.paper == "dino"
    assert len({paper.slug for paper in attention.papers}) == len(attention.papers)


def test_what_has_a_lasting_result_shows_its_picture(cards):
    without = [name for name, card in cards.items() if not (card.demo.fresh or card.picture)]
    assert without == []


def test_every_paper_of_every_demo_is_a_link(cards, page):
    for name, card in cards.items():
        for paper in card.papers:
            assert f'href="/papers/{paper.slug}/run/{name}/"' in page


def test_a_family_is_headed_by_what_its_file_says(page):
    headings = re.findall(r'<h2 id="([^"]+)">([^<]+)</h2>', page)
    assert {title.replace("&#x27;", "'") for _, title in headings} == set(FAMILIES)
    assert len({place for place, _ in headings}) == len(FAMILIES)
    assert all(f'href="#{place}"' in page for place, _ in headings)


def test_what_most_papers_offer_comes_first_and_checks_last(page):
    shown = families()
    assert re.search(r'<h2 id="([^"]+)">', page)[1] == shown[0].id
    seen = [len({p.slug for card in family.cards for p in card.papers}) for family in shown[:-1]]
    assert seen == sorted(seen, reverse=True)
    assert seen[0] > seen[-1]
    assert [card.demo.name for card in shown[-1].cards] == ["verify"]
