"""Facets: what they count, what they leave, and against what papers were checked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from kb.catalogue.library import library
from kb.search import facets
from kb.search.documents import Document, documents
from kb.search.facets import FACETS, counts
from kb.search.language import Filter
from kb.search.service import search
from kb.search.shelf import Shelf
from tests.search.conftest import SHELF

MAE = Document(
    "mae", "paper", "mae", "", "MAE", "", "MAE", "", part="self-supervised",
    family="masked", year=2022, has=("demo", "code"), checked="code",
    authors=("Kaiming He",), tags=("pixels",),
)  # fmt: skip
PATCHIFY = replace(MAE, id="mae#def-patchify", kind="symbol")
AOT = replace(MAE, id="aot", slug="aot", part="video", year=2018, has=(), checked="formulas")
SHELVES = [MAE, PATCHIFY, replace(PATCHIFY, id="mae#def-x"), AOT]


def plainly(found: list[Document], filters: list[Filter]) -> facets.Counts:
    """The same counts, one facet and one document after the other."""
    table = {}
    for facet in FACETS:
        others = [each for each in filters if each.name != facet]
        left = [d for d in found if all(facets.passes(d, each) for each in others)]
        values = [v for document in left for v in facets.values(document, facet)]
        table[facet] = {value: values.count(value) for value in values}
    return table


@pytest.mark.parametrize("filters", [
    [], [Filter("kind", "symbol")], [Filter("kind", "symbol"), Filter("part", "video")],
    [Filter("year", "2018..2020"), Filter("checked", "formulas")],
    [Filter("has", "demo", negated=True)], [Filter("author", "he"), Filter("kind", "paper")],
    [Filter("tag", "nothing")], [Filter("part", "video"), Filter("part", "self-supervised")],
])  # fmt: skip
def test_counting_by_number_gives_what_counting_one_by_one_gives(filters: list[Filter]) -> None:
    hits = Shelf(SHELVES).hits(np.ones(len(SHELVES)))
    assert counts(hits, filters) == plainly(SHELVES, filters)


CASES = {"mae": ["owner/code@1a2b3c4 model.py"], "byol": ["owner/code@1a2b3c4", "DERIVED"],
         "arrow_of_time": ["DERIVED from the paper"]}  # fmt: skip


@pytest.fixture
def proven(settings, tmp_path: Path) -> None:
    """The small papers with golden cases of each sort."""
    copytree(SHELF, tmp_path / "shelf")
    settings.PAPERS_DIR = tmp_path / "shelf" / "papers"
    settings.IMPLS_DIR = tmp_path / "shelf" / "impls"
    settings.EXTRA_PAPERS_DIRS, settings.VAR_DIR = [], tmp_path
    for slug, upstreams in CASES.items():
        folder = settings.IMPLS_DIR / "golden" / slug
        folder.mkdir(parents=True)
        for number, upstream in enumerate(upstreams):
            card = {"function": "f", "upstream": upstream}
            (folder / f"case_{number}.json").write_text(json.dumps(card))


@pytest.mark.usefixtures("proven")
def test_papers_are_told_apart_by_what_their_cases_come_from() -> None:
    checked = {d.slug: d.checked for d in documents(library()) if d.kind == "paper"}
    assert checked == {"mae": "code", "byol": "mixed", "arrow_of_time": "formulas"}


@pytest.mark.usefixtures("proven")
def test_checked_narrows_as_a_keyword_and_as_a_word_and_is_counted() -> None:
    asked = search("kind:paper", checked="code")
    assert [hit.slug for hit in asked.results] == ["mae"]
    assert asked.facets["checked"] == {"code": 1, "formulas": 1, "mixed": 1}
    assert "checked against others’ code" in asked.query.understood
    both = search("kind:paper -checked:code year:2020..").results
    assert [hit.slug for hit in both] == ["byol"]


@pytest.mark.usefixtures("shelf")
def test_papers_without_cases_are_checked_against_nothing() -> None:
    assert search("kind:paper").facets["checked"] == {}
    assert search("kind:paper checked:formulas").count == 0
