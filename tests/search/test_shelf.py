"""Documents by number: put in order, filtered and counted all at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kb.search.documents import Document
from kb.search.facets import passes
from kb.search.language import Filter
from kb.search.shelf import Shelf

MAE = Document(
    "mae", "paper", "mae", "", "MAE", "", "mae", "", part="self-supervised", year=2022,
    authors=("Kaiming He", "Saining Xie"), tags=("masking",), has=("demo", "code"),
)  # fmt: skip
BYOL = replace(MAE, id="byol", year=2020, authors=("Jean-Bastien Grill",), has=("code",))
IDEA = replace(MAE, id="mae#key-idea", kind="section")
NOTE = replace(MAE, id="note", part="", year=0, authors=(), tags=(), has=())
SHELF = Shelf([MAE, BYOL, IDEA, NOTE])


def ids(scores: list[float], *filters: Filter) -> list[str]:
    hits = SHELF.hits(np.array(scores, float)).keep(filters)
    return [document.id for document, _ in hits]


def test_hits_come_by_falling_score_equal_ones_in_their_order() -> None:
    assert ids([1, 2, 2, 0.5]) == ["byol", "mae#key-idea", "mae", "note"]


def test_what_has_no_score_is_no_hit() -> None:
    assert ids([0, 1, 0, 0]) == ["byol"]
    assert ids([0, 0, 0, 0]) == []


def test_hits_are_a_sequence_of_documents_with_scores() -> None:
    hits = SHELF.hits(np.array([1.0, 4.0, 3.0, 2.0]))
    assert len(hits) == 4
    assert hits[0] == (BYOL, 4.0)
    assert hits[-1] == (MAE, 1.0)
    assert list(hits[1:3]) == [(IDEA, 3.0), (NOTE, 2.0)]
    assert list(hits[3:99]) == [(MAE, 1.0)]


@pytest.mark.parametrize("wanted", [
    Filter("kind", "paper"), Filter("part", "self-supervised"), Filter("year", "2020..2021"),
    Filter("author", "he kaiming"), Filter("tag", "masking"), Filter("has", "demo"),
    Filter("family", "none"),
])  # fmt: skip
@pytest.mark.parametrize("negated", [False, True])
def test_each_filter_keeps_what_passes_it(wanted: Filter, negated: bool) -> None:
    wanted = replace(wanted, negated=negated)
    expected = [each.id for each in SHELF.documents if passes(each, wanted)]
    assert ids([1, 1, 1, 1], wanted) == expected


def test_all_filters_must_be_passed() -> None:
    assert ids([1, 1, 1, 1], Filter("year", "2022"), Filter("kind", "paper")) == ["mae"]
    assert ids([0, 1, 0, 1], Filter("year", "2022"), Filter("kind", "paper")) == []


def test_a_tally_counts_hits_by_value_with_an_example_of_each() -> None:
    hits = SHELF.hits(np.array([1.0, 1.0, 1.0, 0.0]))
    tally = [(document.has, count) for document, count in hits.tally("has")]
    assert sorted(tally) == [(("code",), 1), (("demo", "code"), 2)]
    assert list(SHELF.hits(np.zeros(4)).tally("kind")) == []
