"""The results page and the suggestions, with and without htmx."""

from __future__ import annotations

import re

import pytest
from django.core.management import call_command
from django.test import Client

from kb.search import service

pytestmark = pytest.mark.usefixtures("shelf")
HTMX = {"HX-Request": "true"}


def test_the_page_works_without_javascript(client: Client) -> None:
    page = client.get("/search/", {"q": "random masking"}).content.decode()
    assert "<html" in page
    assert 'role="search"' in page
    assert '/papers/mae/?h=random+masking#def-random_masking' in page
    assert 'value="random masking"' in page


def test_htmx_gets_the_results_alone_and_the_address_to_show(client: Client) -> None:
    answer = client.get("/search/", {"q": "random masking"}, headers=HTMX)
    assert "<html" not in answer.content.decode()
    assert "#def-random_masking" in answer.content.decode()
    assert answer["HX-Replace-Url"] == "/search/?q=random+masking"


def test_the_page_may_not_be_cached_across_htmx(client: Client) -> None:
    assert "HX-Request" in client.get("/search/", {"q": "mae"})["Vary"]


def test_no_inline_script_style_or_handler(client: Client) -> None:
    for address in ("/search/?q=mae", "/search/?q=", "/search/suggest/?q=ma"):
        page = client.get(address).content.decode()
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)


def test_what_is_typed_is_escaped(client: Client) -> None:
    typed = '<script>alert("x")</script>'
    for address in ("/search/", "/search/suggest/"):
        page = client.get(address, {"q": typed}).content.decode()
        assert "<script>alert" not in page


def test_facets_are_links_and_the_chosen_one_leads_back(client: Client) -> None:
    page = client.get("/search/", {"q": "loss", "kind": "symbol"}).content.decode()
    assert '<a href="?q=loss" aria-current="true">symbol <span' in page
    assert "?q=loss&amp;kind=symbol&amp;part=video" in page


def test_chosen_facets_go_with_the_form_and_can_all_be_left(client: Client) -> None:
    asked = {"q": "loss", "kind": "symbol", "has": "code"}
    page = client.get("/search/", asked).content.decode()
    for name in ("kind", "has"):
        value = asked[name]
        assert f'name="{name}" value="{value}" form="search">' in page
    assert '<a href="?q=loss">Without filters</a>' in page
    assert "Without filters" not in client.get("/search/", {"q": "loss"}).content.decode()


def test_how_many_were_found_is_told_to_who_cannot_see_it(client: Client) -> None:
    page = client.get("/search/", {"q": "def:patchify"}).content.decode()
    assert 'data-said="1 hit."' in page
    region, results = page.index('role="status"'), page.index('id="results"')
    assert region < results  # outside of what is swapped


def test_a_correction_is_said_with_a_link_to_the_exact_form(client: Client) -> None:
    page = client.get("/search/", {"q": "autoncoder"}).content.decode()
    assert "this shows “autoencoder”" in page
    exact = re.search(r'<a href="([^"]+)">Search only for', page)
    assert exact
    assert "Nothing found" in client.get(exact[1].replace("&amp;", "&")).content.decode()


def test_an_equation_is_shown_as_a_formula(client: Client) -> None:
    page = client.get("/search/", {"q": "eq:tau"}).content.decode()
    assert '<div class="hit-formula" tabindex="0"><math' in page


def test_pages_are_linked(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PAGE_SIZE", 5)
    first = client.get("/search/", {"q": "loss"}).content.decode()
    assert 'href="?q=loss&amp;page=2" rel="next"' in first
    assert 'rel="prev"' not in first
    second = client.get("/search/", {"q": "loss", "page": 2}).content.decode()
    assert 'rel="prev"' in second


@pytest.mark.parametrize("page", ["0", "-1", "x", "1e9", "99999", "²", ""])
def test_a_page_that_is_none_is_no_error(client: Client, page: str) -> None:
    assert client.get("/search/", {"q": "loss", "page": page}).status_code == 200


def test_empty_and_fruitless_searches_help(client: Client) -> None:
    assert "masked autoencoder" in client.get("/search/").content.decode()
    fruitless = client.get("/search/", {"q": "zzzzqqqq"}).content.decode()
    assert "Nothing found" in fruitless


def test_only_reading_is_allowed(client: Client) -> None:
    assert client.post("/search/", {"q": "mae"}).status_code == 405


@pytest.mark.parametrize(("typed", "place"), [
    ("ma", "/papers/mae/"), ("autoenc", "/papers/mae/"), ("Random_M", "#def-random_masking"),
    ("masking", "#def-random_masking"), ("key", "#key-idea"), ("bootstrap your", "/papers/byol/"),
    ("maskedauto", "/papers/mae/"),
])  # fmt: skip
def test_names_are_suggested_by_the_beginning_of_any_word(
    client: Client, typed: str, place: str
) -> None:
    page = client.get("/search/suggest/", {"q": typed}).content.decode()
    assert place in page
    assert 'role="option"' in page


def test_papers_are_suggested_first_and_ids_are_unique(client: Client) -> None:
    page = client.get("/search/suggest/", {"q": "m"}).content.decode()
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert ids[0] == "suggest-paper"
    assert len(ids) == len(set(ids))


def test_no_suggestions_for_nothing(client: Client) -> None:
    for typed in ("", "  ", "zzzz", "-"):
        assert not client.get("/search/suggest/", {"q": typed}).content.strip()


def test_the_shell_prints_hits_and_their_number(capsys) -> None:
    call_command("search", "random", "masking")
    out = capsys.readouterr().out
    assert "#def-random_masking" in out
    assert re.search(r"\d+ hits in \d+ ms", out)
    assert "<mark>" not in out
