"""The links on top of every page say in which section one is."""

from __future__ import annotations

import re

import pytest
from django.test import Client

HERE = re.compile(r'<a href="([^"]+)" aria-current="(\w+)">')


def here(address: str) -> list[tuple[str, str]]:
    page = Client().get(address).content.decode()
    return HERE.findall(page.partition('<nav aria-label="Site">')[2].partition("</nav>")[0])


@pytest.mark.parametrize("address", ["/papers/", "/demos/", "/concepts/", "/map/", "/results/", "/api/"])
def test_each_link_knows_its_own_page(address: str) -> None:
    assert here(address) == [(address, "page")]


@pytest.mark.parametrize(
    ("address", "section"),
    [
        ("/papers/simsiam/", "/papers/"),
        ("/compare/", "/papers/"),
        ("/compare/simsiam/byol/", "/papers/"),
        ("/concepts/collapse/", "/concepts/"),
        ("/results/same-budget/", "/results/"),
    ],
)
def test_a_page_belongs_to_the_section_that_leads_to_it(address: str, section: str) -> None:
    assert here(address) == [(section, "true")]


@pytest.mark.django_db
def test_the_form_of_a_demo_belongs_to_the_demos() -> None:
    assert here("/papers/simsiam/run/verify/") == [("/demos/", "true")]


@pytest.mark.parametrize("address", ["/", "/nowhere/"])
def test_what_belongs_to_no_section_marks_none_and_is_shown_all_the_same(address: str) -> None:
    assert here(address) == []
    assert '<nav aria-label="Site">' in Client().get(address).content.decode()
