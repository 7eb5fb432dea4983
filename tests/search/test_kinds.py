"""Concepts and reported numbers are found, and open at the exact place."""

from __future__ import annotations

from pathlib import Path
from shutil import copy
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from kb.catalogue.library import library
from kb.search import numbers
from kb.search.addresses import address
from kb.search.documents import KINDS, Document, documents
from kb.search.service import search, suggest
from tests.search.conftest import SHELF

HEAD = "paper,method,backbone,pretraining,protocol,dataset,metric,value,source,verified"
ROWS = """mae,MAE,ViT-B/16,ImageNet-1k,fine-tuning,ImageNet-1k,top-1,83.6,Tab. 3,yes
mae,MAE,ViT-L/16,ImageNet-1k,fine-tuning,ImageNet-1k,top-1,85.9,Tab. 3,yes
mae,MAE,ViT-L/16,ImageNet-1k,linear probe,ImageNet-1k,top-1,75.8,Tab. 1,yes
mae,BYOL,ResNet-50,ImageNet-1k,linear probe,ImageNet-1k,top-1,74.3,Tab. 1,yes
byol,BYOL,ResNet-50,ImageNet-1k,linear probe,ImageNet-1k,top-1,74.3,Tab. 1,yes
nobody,X,Y,Z,linear probe,ImageNet-1k,top-1,1.0,Tab. 1,yes
"""
CONCEPT = """---
title: Stopped gradient
names: [stop gradient, detach]
---
A stopped gradient makes a tensor a plain number. [MAE](paper:mae) has none.
"""


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small papers with a table of results and a concept."""
    papers = tmp_path_factory.mktemp("furnished") / "papers"
    (papers / "concepts").mkdir(parents=True)
    for file in (SHELF / "papers").glob("*.md"):
        copy(file, papers)
    (papers / "results.csv").write_text(f"{HEAD}\n{ROWS}")
    (papers / "concepts" / "stop_gradient.md").write_text(CONCEPT)
    return papers


@pytest.fixture(autouse=True)
def found(furnished: Path, settings) -> dict[str, Document]:
    """The documents by id; the index is built once."""
    settings.PAPERS_DIR, settings.IMPLS_DIR = furnished, SHELF / "impls"
    settings.EXTRA_PAPERS_DIRS, settings.VAR_DIR = [], furnished.parent
    return {document.id: document for document in documents(library())}


FINE = "mae:ImageNet-1k, top-1, fine-tuning"


def test_rows_of_one_measurement_are_one_place(found: dict[str, Document]) -> None:
    results = [id for id, document in found.items() if document.kind == "result"]
    probed = [f"{slug}:ImageNet-1k, top-1, linear probe" for slug in ("mae", "byol")]
    assert sorted(results) == sorted([FINE, *probed])
    assert found[FINE].title == "MAE: top-1 on ImageNet-1k, fine-tuning"
    assert found[FINE].body.split("\n")[1] == (
        "85.9: MAE, ViT-L/16, pre-trained on ImageNet-1k"
    )
    assert (found[FINE].part, found[FINE].year) == (found["mae"].part, found["mae"].year)


@pytest.mark.parametrize(("words", "row"), [
    ("mae 85.9", 3), ("mae 83.6", 2), ("mae vit-l", 3), ("nothing of it", 2), ("", 2),
])  # fmt: skip
def test_a_result_opens_at_the_row_that_was_meant(
    found: dict[str, Document], client: Client, words: str, row: int
) -> None:
    url = urlsplit(address(found[FINE], words))
    asked = parse_qs(url.query)
    assert url.fragment == f"row-{row}"
    assert asked.get("h", [""]) == [words]
    page = client.get(f"{url.path}?{url.query}").content.decode()
    assert f'id="row-{row}"' in page
    assert page.count('id="row-') == 2  # the place's own rows and no others


def test_a_row_on_a_later_page_is_opened_there(
    found: dict[str, Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbers, "PAGE_SIZE", 1)
    assert "page=2" in address(found[FINE], "85.9")
    assert "page=" not in address(found[FINE], "83.6")


@pytest.mark.parametrize(("query", "id"), [
    ("mae 85.9", FINE), ("imagenet fine-tuning top-1 vit-l", FINE),
    ("byol linear probe imagenet", "byol:ImageNet-1k, top-1, linear probe"),
    ("74.3 resnet50", "byol:ImageNet-1k, top-1, linear probe"),
])  # fmt: skip
def test_who_names_a_measurement_or_a_number_gets_it_first(
    found: dict[str, Document], query: str, id: str
) -> None:
    first = search(query).results[0]
    assert (first.kind, first.title) == ("result", found[id].title)


@pytest.mark.parametrize("query", ["mae", "byol", "masked autoencoder"])
def test_numbers_do_not_stand_before_what_a_name_means(query: str) -> None:
    assert search(query).results[0].kind == "paper"


def test_the_snippet_of_a_result_is_the_row_that_was_meant() -> None:
    assert search("mae 85.9").results[0].snippet.startswith("<mark>85.9</mark>: ")


@pytest.mark.parametrize("query", ["stop gradient", "Stop-Gradient", "stopped gradient"])
def test_a_concept_is_found_by_all_its_names(query: str) -> None:
    first = search(query).results[0]
    assert (first.kind, first.slug, first.title) == (
        "concept", "stop_gradient", "Stopped gradient",
    )
    assert first.url.startswith("/concepts/stop_gradient/?h=")


def test_a_concept_is_suggested_by_the_name_that_is_typed() -> None:
    assert suggest("deta")["concept"] == [
        ("detach", "Stopped gradient", "/concepts/stop_gradient/")
    ]


def test_concepts_have_no_paper_and_so_no_year() -> None:
    assert search("kind:concept").count == 1
    assert search("kind:concept year:..2030").count == 0


def test_what_a_word_is_defined_as_is_no_concept() -> None:
    assert {hit.kind for hit in search("def:detach").results} <= {"symbol"}


def test_every_kind_is_known_and_can_be_asked_for(found: dict[str, Document]) -> None:
    kinds = {document.kind for document in found.values()}
    assert kinds <= set(KINDS)
    for kind in kinds:
        assert {hit.kind for hit in search("", kind=kind).results} == {kind}
