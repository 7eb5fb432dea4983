"""The pages, as a browser without JavaScript gets them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings


@pytest.fixture(autouse=True)
def site(root: Path, settings: Settings) -> Path:
    settings.PAPERS_DIR = root / "papers"
    settings.IMPLS_DIR = root / "reference_impls"
    settings.EXTRA_PAPERS_DIRS = [root / "notes"]
    settings.VAR_DIR = root
    return root


def slugs(context: dict) -> list[str]:
    return [paper.slug for paper in context["papers"]]


def test_home_shows_the_papers_by_part(client: Client) -> None:
    context = client.get("/").context
    shown = {s["label"]: [p.slug for p in s["papers"]] for s in context["shelves"]}
    assert shown == {"Architectures": ["other"], "Self-supervised learning": ["toy"]}
    assert [paper.slug for paper in context["runnable"]] == ["other", "toy"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["other", "toy"]),
        ("part=self-supervised", ["toy"]),
        ("part=self-supervised&part=architectures", ["other", "toy"]),
        ("year=2019", ["other"]),
        ("family=contrastive&year=2019", []),
        ("demo=attention", ["other", "toy"]),
        ("part=nonsense", []),
        ("part=", ["other", "toy"]),
        ("unknown=1", ["other", "toy"]),
    ],
)
def test_the_list_narrows(client: Client, query: str, expected: list[str]) -> None:
    assert slugs(client.get(f"/papers/?{query}").context) == expected


def test_a_facet_counts_what_a_click_would_show(client: Client) -> None:
    context = client.get("/papers/?family=contrastive").context
    for facet in context["facets"]:
        for option in facet.options:
            if facet.name != "family" and not option.selected:
                narrowed = client.get(f"/papers/?{option.query}").context
                assert len(narrowed["papers"]) == option.count


def test_a_chosen_facet_is_taken_back_by_its_link(client: Client) -> None:
    facets = client.get("/papers/?part=self-supervised&year=2020").context["facets"]
    (chosen,) = [o for f in facets if f.name == "part" for o in f.options if o.selected]
    assert chosen.query == "year=2020"


def test_a_paper_shows_its_text_beside_its_code(client: Client) -> None:
    response = client.get("/papers/toy/")
    html = response.content.decode()
    assert '<figure class="equation" id="eq-1"' in html
    assert 'id="L1"' in html
    assert 'id="def-Toy.forward"' in html
    assert response.context["proofs"] == [("ada/toy", 1)]
    assert [paper.slug for paper in response.context["built_on_by"]] == ["other"]


def test_all_proofs_of_a_paper_are_one_piece_of_evidence(client: Client, site: Path) -> None:
    folder = site / "reference_impls/golden/toy"
    card = json.loads((folder / "plain.json").read_text())
    for name, upstream in (("second", card["upstream"]), ("derived", "DERIVED")):
        (folder / f"{name}.json").write_text(json.dumps(card | {"upstream": upstream}))
    page = client.get("/papers/toy/").content.decode()
    seals = page.partition('<ul class="seals"')[2].partition("</ul>")[0]
    assert "3 cases checked against ada/toy (2), the paper's formulas (1)<" in seals
    assert seals.count("<li") == 3  # cases, equations, a link to check them


def test_every_link_within_a_page_has_its_place(client: Client) -> None:
    html = client.get("/papers/toy/").content.decode()
    places = re.findall(r'\bid="([^"]+)"', html)
    assert len(places) == len(set(places))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(places)


def test_a_note_is_a_page_without_code(client: Client, site: Path) -> None:
    (site / "notes/mine.md").write_text("# Mine\n\nHello.")
    response = client.get("/papers/mine/")
    assert response.status_code == 200
    assert response.context["listing"] == ""


def test_an_unchanged_page_is_not_sent_again(client: Client) -> None:
    first = client.get("/papers/toy/")
    again = client.get("/papers/toy/", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    seen = {"If-Modified-Since": first["Last-Modified"]}
    assert client.get("/papers/toy/", headers=seen).status_code == 304


def test_an_unknown_paper_gets_a_suggestion(client: Client) -> None:
    response = client.get("/papers/toi/")
    assert response.status_code == 404
    assert response.context["suggestion"].slug == "toy"
    assert response.get("ETag") is None


def test_other_spellings_of_a_name_are_moved(client: Client) -> None:
    response = client.get("/papers/TOY/")
    assert (response.status_code, response["Location"]) == (301, "/papers/toy/")


def test_figures_are_served_and_nothing_beside_them(client: Client, site: Path) -> None:
    (site / "papers/figures/toy_view.svg").write_text("<svg/>")
    response = client.get("/papers/figures/toy_view.svg")
    assert response.content == b"<svg/>"
    assert response["Content-Type"] == "image/svg+xml"
    for name in ("gone.svg", "..", "%2e%2e%2ftoy.md", "../toy.md"):
        assert client.get(f"/papers/figures/{name}").status_code == 404


@pytest.mark.parametrize("path", ["/", "/papers/", "/papers/toy/"])
def test_pages_are_only_read(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405
    assert client.head(path).status_code == 200


def test_a_paper_leads_to_a_comparison_with_any_other(client: Client) -> None:
    page = client.get("/papers/toy/").content.decode()
    assert '<a href="/compare/?a=toy">another paper</a>' in page
