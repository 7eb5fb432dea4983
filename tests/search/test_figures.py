"""Drawings are found by what they show, and stand back where text says it better."""

from __future__ import annotations

from pathlib import Path
from shutil import copy

import pytest

from kb.catalogue.library import library
from kb.search.documents import Document, documents
from kb.search.service import search

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def two_papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MAE and Jigsaw with their three drawings."""
    papers = tmp_path_factory.mktemp("drawn") / "papers"
    (papers / "figures").mkdir(parents=True)
    for slug in ("mae", "jigsaw"):
        copy(PROJECT / "papers" / f"{slug}.md", papers)
        for file in (PROJECT / "papers/figures").glob(f"{slug}_*"):
            copy(file, papers / "figures")
    return papers


@pytest.fixture
def drawn(two_papers: Path, settings) -> dict[str, Document]:
    """The documents of both papers by id; the index is built once."""
    settings.PAPERS_DIR, settings.VAR_DIR = two_papers, two_papers.parent
    settings.EXTRA_PAPERS_DIRS = []
    return {document.id: document for document in documents(library())}


def test_a_drawing_is_a_place_with_its_title_and_its_words(
    drawn: dict[str, Document],
) -> None:
    found = drawn["mae#fig-1"]
    assert found.kind == "figure"
    assert found.title == "MAE: drawing, Encode a quarter, paint the rest"
    assert found.section == "Key idea"
    assert "A picture of sixteen patches loses twelve of them." in found.body
    assert "codes and mask tokens" in found.body


def test_every_drawing_of_a_page_is_a_place(drawn: dict[str, Document]) -> None:
    for slug, least in (("mae", 1), ("jigsaw", 2)):
        html = "".join(section.html for section in library().papers[slug].sections)
        places = [d.anchor for d in drawn.values() if d.slug == slug and "fig-" in d.anchor]
        assert len(places) >= least
        assert len(places) == html.count('<figure class="drawn"')
        assert all(f'id="{anchor}"' in html for anchor in places)


@pytest.mark.parametrize("query", [
    "Encode a quarter, paint the rest", "mae diagram", "MAE drawing", "mae figure",
    "codes and mask tokens drawing",
])  # fmt: skip
def test_a_drawing_is_found(drawn: dict[str, Document], query: str) -> None:
    first = search(query).results[0]
    assert (first.slug, first.url.partition("#")[2]) == ("mae", "fig-1")


@pytest.mark.parametrize("query", [
    "mae", "encoder", "mask token", "why is the loss only on hidden patches",
    "jigsaw permutation", "how are hidden patches painted by the decoder",
])  # fmt: skip
def test_a_drawing_is_not_the_first_hit_for_what_the_text_says(
    drawn: dict[str, Document], query: str
) -> None:
    assert "#fig-" not in search(query).results[0].url
