"""Filters, their counts, and the order of rows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.http import QueryDict

from kb.results.choice import OFFERED, Refused, asked, chosen, facets, taken

PAPERS = {"toy", "other"}
NAMES = {"toy": "Toy", "other": "Other"}


def values(rows, query: str) -> list[str]:
    return [row.value for row in chosen(rows, asked(QueryDict(query), PAPERS))]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["74.3", "9.5", "68.0 ± 0.3", "40.0", "81.80"]),
        ("paper=other", ["81.80"]),
        ("protocol=linear+probe&protocol=k-NN", ["74.3", "9.5", "68.0 ± 0.3"]),
        ("protocol=linear+probe&verified=yes", ["74.3"]),
        ("dataset=COCO&metric=top-1", []),
        ("method=TO", ["74.3", "9.5", "40.0"]),
        ("method=+oth++er", ["68.0 ± 0.3", "81.80"]),
        ("method=%2A", []),
        ("backbone=&pretraining=JFT-300M&unknown=1", ["68.0 ± 0.3"]),
    ],
)
def test_rows_match_every_filter_and_any_of_its_values(rows, query, expected) -> None:
    assert values(rows, query) == expected


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("value", ["9.5", "40.0", "68.0 ± 0.3", "74.3", "81.80"]),
        ("-value", ["81.80", "74.3", "68.0 ± 0.3", "40.0", "9.5"]),
        ("verified", ["74.3", "9.5", "81.80", "68.0 ± 0.3", "40.0"]),
        ("method", ["68.0 ± 0.3", "81.80", "74.3", "9.5", "40.0"]),
        ("-method", ["74.3", "9.5", "40.0", "68.0 ± 0.3", "81.80"]),
    ],
)
def test_numbers_sort_as_numbers_and_equal_rows_keep_their_order(rows, sort, expected) -> None:
    assert values(rows, f"sort={sort}") == expected


@pytest.mark.parametrize(
    ("query", "parameter", "status", "says"),
    [
        ("sort=colour", "sort", 400, "sort by paper, method"),
        ("sort=--value", "sort", 400, "sort by"),
        ("sort=-", "sort", 400, "sort by"),
        ("verified=perhaps", "verified", 400, "yes, notes, no"),
        ("paper=toi", "paper", 404, "no paper “toi”"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_remedy(query, parameter, status, says) -> None:
    with pytest.raises(Refused) as refused:
        asked(QueryDict(query), PAPERS)
    assert (refused.value.parameter, refused.value.status) == (parameter, status)
    assert says in refused.value.message


def test_each_option_counts_what_its_link_leaves(rows) -> None:
    choice = asked(QueryDict("protocol=linear+probe&method=t&sort=-value"), PAPERS)
    offered = facets(rows, choice, NAMES)
    untouched = [o for f in offered if f.name != "protocol" for o in f.options]
    assert untouched
    for option in untouched:
        assert len(values(rows, option.query)) == option.count
        assert "sort=-value" in option.query


def test_a_chosen_option_is_taken_away_by_its_link_and_so_is_the_word(rows) -> None:
    choice = asked(QueryDict("paper=toy&method=toy"), PAPERS)
    paper, word = taken(facets(rows, choice, NAMES), choice)
    assert (paper.label, paper.query) == ("Toy", "method=toy")
    assert (word.label, word.query) == ("method: toy", "paper=toy")


def test_many_chosen_values_of_a_filter_are_taken_away_together(rows) -> None:
    many = "&".join(f"protocol=p{number}" for number in range(5))
    choice = asked(QueryDict(f"{many}&metric=top-1"), PAPERS)
    metric, protocols = taken(facets(rows, choice, NAMES), choice)
    assert metric.label == "top-1"
    assert (protocols.label, protocols.query) == ("Protocol: 5 chosen", "metric=top-1")


def test_a_chosen_value_without_rows_can_still_be_taken_away(rows) -> None:
    choice = asked(QueryDict("dataset=Nowhere"), PAPERS)
    (option,) = taken(facets(rows, choice, NAMES), choice)
    assert (option.value, option.count, option.query) == ("Nowhere", 0, "")


def test_of_many_values_the_commonest_are_offered_and_those_that_are_chosen(rows) -> None:
    many = [replace(rows[0], backbone=f"net {i}") for i in range(OFFERED + 9)] + [replace(rows[0], backbone="net 2")]
    choice = asked(QueryDict("backbone=net+44&metric=top-1"), PAPERS)
    (backbones,) = [facet for facet in facets(many, choice, NAMES) if facet.name == "backbone"]
    assert (backbones.options[0].value, backbones.options[0].count) == ("net 2", 2)
    assert len(backbones.options) == OFFERED + 1
    assert [option.value for option in backbones.options if option.selected] == ["net 44"]


def test_a_question_is_the_same_whatever_the_order_it_was_asked_in() -> None:
    one = asked(QueryDict("method=b&metric=y&dataset=x"), PAPERS)
    other = asked(QueryDict("dataset=x&method=b&metric=y&page=3"), PAPERS)
    assert one.query == other.query
