"""The collection itself: every page answers, whatever has been written by now."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.test import Client

from kb.catalogue.library import library
from kb.connections.concepts import concepts
from kb.connections.suggestions import comparable, suggestions

pytestmark = pytest.mark.usefixtures("real_folder")

NAMES = sorted(path.stem for path in (settings.PAPERS_DIR / "concepts").glob("*.md"))
INTERNAL = re.compile(r'href="(/(?:papers|concepts|compare|map)/[^"#?]*)(?:#([^"]+))?"')


def dead(html: str, client: Client, known: dict[str, set[str]]) -> list[str]:
    """Links of a page into the site that lead nowhere. known: pages already opened."""
    lost = []
    for path, place in dict.fromkeys(INTERNAL.findall(html)):
        if path not in known:
            response = client.get(path)
            found = re.findall(r'\bid="([^"]+)"', response.content.decode())
            known[path] = {"", *found} if response.status_code == 200 else set()
        if place not in known[path]:
            lost.append(f"{path}#{place}")
    return lost


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    return {}


@pytest.mark.parametrize("name", NAMES)
def test_a_concepts_page_holds_no_dead_link(
    client: Client, known: dict[str, set[str]], name: str
) -> None:
    response = client.get(f"/concepts/{name}/")
    assert response.status_code == 200
    html = response.content.decode()
    assert 'class="dead"' not in response.context["text"]
    assert dead(html, client, known) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_concept_teaches_in_few_words(name: str) -> None:
    body = " ".join(section.source for section in concepts()[name].entry.sections)
    words = re.sub(r"\]\([^)]*\)", "]", body).split()
    assert 120 <= len(words) <= 250


def test_every_suggested_pair_can_be_compared(client: Client) -> None:
    for pair in suggestions(comparable(library())):
        response = client.get(f"/compare/{pair.a.slug}/{pair.b.slug}/")
        assert response.status_code == 200, pair


@pytest.mark.parametrize("path", ["/compare/byol/dino/", "/compare/mae/can/?view=file"])
def test_a_comparison_holds_no_dead_link(
    client: Client, known: dict[str, set[str]], path: str
) -> None:
    assert dead(client.get(path).content.decode(), client, known) == []


def test_a_module_without_an_entry_cannot_be_compared(client: Client) -> None:
    modules = {path.stem for path in settings.IMPLS_DIR.glob("[a-z]*.py")}
    for slug in modules - library().papers.keys():
        assert client.get(f"/compare/byol/{slug}/").status_code == 404


def test_the_map_leads_to_every_paper_and_holds_no_dead_link(
    client: Client, known: dict[str, set[str]]
) -> None:
    html = client.get("/map/").content.decode()
    own = [p for p in library().papers.values() if not p.is_note]
    assert all(f'<a href="/papers/{paper.slug}/">' in html for paper in own)
    assert dead(html, client, known) == []
