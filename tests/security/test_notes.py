"""A reader's notes may hold anything; nothing of it runs in another reader's browser."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.test import Client
from playwright.sync_api import sync_playwright

from kb.catalogue.library import library
from tests.browser.conftest import FLAGS
from tests.security.attacks import NAMES, PAYLOADS, RUN, WORD, dangers

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("attacked")]


def addresses() -> list[str]:
    """Every page that shows something of a note."""
    words = ("zebra", "zebra window", WORD, f"title:{WORD}", *PAYLOADS[:6])
    asked = [f"/search/?q={quote(word)}&page={page}" for word in words for page in (1, 2)]
    asked += [f"/search/suggest/?q={quote(word[:20])}" for word in ("zebra", "x", "<img")]
    shelf = [f"/papers/{slug}/" for slug in library().papers]
    wrong = [f"/papers/{quote(WORD, safe='')}/", f"/concepts/{quote(WORD, safe='')}/", f"/compare/{quote(WORD, safe='')}/vit/"]
    lists = ["/", "/papers/", "/papers/?part=notes", "/map/", "/concepts/", f"/results/?paper={quote(WORD)}", "/compare/"]
    return [*lists, *shelf, *asked, *wrong]


def test_the_shelf_holds_every_attack():
    notes = [paper for paper in library().papers.values() if paper.is_note]
    assert len(notes) == len(PAYLOADS) + len(NAMES) + 1


def test_no_page_holds_anything_that_could_run():
    client, looked = Client(), 0
    for address in addresses():
        answer = client.get(address)
        assert answer.status_code in (200, 404), address
        assert dangers(answer.content.decode()) == [], address
        looked += "zebra" in answer.content.decode()
    assert looked > len(PAYLOADS)


def test_the_api_gives_it_as_data_that_no_browser_takes_for_a_page():
    client = Client()
    for address in ("/api/papers/", "/api/papers/front/", "/api/search/?q=zebra", f"/api/papers/{quote(WORD, safe='')}/", "/references.json"):
        answer = client.get(address)
        assert "json" in answer["Content-Type"], address
        assert answer["X-Content-Type-Options"] == "nosniff"
    for hit in client.get("/api/search/?q=zebra").json()["results"]:
        assert dangers(hit["snippet"]) == []


def test_an_address_that_a_note_names_for_its_code_is_one_of_the_web_or_none():
    assert Client().get("/api/papers/front/").json()["code"] == ""


@pytest.mark.parametrize("payload", [f"<p onclick='{RUN}'>", "<a href='java&#9;script:x'>", "<img src='data:x'>", "<p style='x'>", "<script>x</script>"])
def test_the_measure_itself_notices(payload):
    assert dangers(payload)


@pytest.mark.services
def test_nothing_runs_in_a_browser_even_without_the_policy(live_server, chromium):
    """The policy is the second wall; here the first one stands alone."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_context(bypass_csp=True, base_url=live_server.url).new_page()
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        ran = []
        for address in addresses():
            page.goto(address, wait_until="load")
            page.evaluate("for (const one of document.querySelectorAll('#main *')) one.dispatchEvent(new MouseEvent('mouseover'))")
            if page.evaluate("window.pwned"):
                ran.append(address)
        page.set_content(PAYLOADS[2])
        page.wait_for_function("window.pwned")  # it would have been noticed
        browser.close()
    assert ran == []
