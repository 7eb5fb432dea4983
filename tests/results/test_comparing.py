"""What is drawn, what is said of it, and what is offered instead."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from django.http import QueryDict

from kb.results.choice import Choice, asked, chosen
from kb.results.comparing import MOST, compare, differences
from kb.results.plot import draw, scaled
from kb.results.questions import named, offers

NAMES = {"toy": "Toy", "other": "Other"}


@pytest.fixture
def imagenet(rows) -> list:
    return [row for row in rows if row.dataset == "ImageNet-1k"]


def test_rows_of_several_things_are_not_drawn_but_what_to_choose_is_offered(rows) -> None:
    found = compare(rows, Choice(), NAMES)
    assert found.plot is None
    assert "2 datasets and 2 metrics" in found.sentence
    (offer,) = found.offers
    assert offer.label == "top-1 on ImageNet-1k"
    narrowed = chosen(rows, asked(QueryDict(offer.query), NAMES))
    assert len(narrowed) == offer.count == 4


def test_a_single_row_is_no_comparison(rows) -> None:
    found = compare(rows[:1], Choice(), NAMES)
    assert (found.plot, found.sentence, found.offers) == (None, "", ())


def test_the_sentence_says_exactly_what_differs(imagenet) -> None:
    first = imagenet[0]
    alike = [first, replace(first, method="A")]
    assert differences(alike) == ""
    sized = [first, replace(first, protocol="tuned at 224 px"), replace(first, protocol="tuned at 384 px")]
    assert differences(sized) == (
        "These rows mix 3 protocols (linear probe, tuned at 224 px, tuned at 384 px) and "
        "2 input sizes (224 px, 384 px): compare within one."
    )
    many = [replace(first, backbone=f"net {i}") for i in range(6)]
    assert differences(many) == (
        "These rows mix 6 backbones (net 0, net 1, net 2, net 3 and 2 more): compare within one."
    )


def test_marks_are_grouped_by_protocol_best_first(imagenet) -> None:
    groups = draw(imagenet, NAMES).groups
    assert [(g.title, [m.value for m in g.marks]) for g in groups] == [
        ("linear probe", ["74.3", "68.0 ± 0.3"]), ("k-NN", ["9.5"]),
        ("supervised at 224 px", ["81.80"]),
    ]


@pytest.mark.parametrize(("metric", "first"), [
    ("errors", "9"), ("word error rate", "9"), ("RMSE", "9"), ("hours", "9"), ("mAP", "74"),
])
def test_where_less_is_better_the_least_comes_first(imagenet, metric: str, first: str) -> None:
    rows = [replace(imagenet[0], metric=metric, value=value) for value in ("74", "9", "20")]
    plot = draw(rows, NAMES)
    assert plot.groups[0].marks[0].value == first
    assert ("less is better" in plot.title) == (first == "9")


def test_a_mark_lies_where_its_number_is_on_the_scale(imagenet) -> None:
    plot = draw(imagenet, NAMES)
    first, last = plot.ticks[0], plot.ticks[-1]
    width = (last.x - first.x) / (float(last.label) - float(first.label))
    marks = [mark for group in plot.groups for mark in group.marks]
    for mark in marks:
        number = float(mark.value.split(" ")[0])
        assert mark.x == pytest.approx(first.x + width * (number - float(first.label)), abs=0.02)
        assert 0 < mark.low <= mark.x <= mark.high < 100
    assert [m.value for m in marks if m.low < m.x] == ["68.0 ± 0.3"]


def test_pretraining_is_said_where_it_differs_and_the_entry_where_labels_are_equal(imagenet) -> None:
    first = imagenet[0]
    again = replace(first, paper="other", value="74.9")
    repeated = replace(first, paper="other")
    (group,) = draw([first, again, repeated], NAMES).groups
    assert [(m.value, m.detail) for m in group.marks] == [("74.9", "in Other"), ("74.3", "in Toy")]
    (mixed,) = draw([first, replace(first, method="B", pretraining="JFT")], NAMES).groups
    assert [m.detail for m in mixed.marks] == ["ImageNet-1k", "JFT"]


def test_too_many_rows_are_cut_to_the_best_and_that_is_said(imagenet) -> None:
    first = imagenet[0]
    rows = [replace(first, method=f"m{i}", value=str(i), protocol=f"p{i % 2}") for i in range(MOST + 5)]
    found = compare(rows, Choice(), NAMES)
    assert found.sentence.startswith(f"Of {MOST + 5} values, the {MOST} best. These rows mix")
    assert sorted(int(m.value) for g in found.plot.groups for m in g.marks) == list(range(5, MOST + 5))
    assert [offer.label for offer in found.offers] == ["p0", "p1"]


@pytest.mark.parametrize("ends", [(0.1, 0.1), (61, 79.6), (-3, 4), (0, 0), (0.61382, 0.64292), (1e-9, 2e-9), (5, 1e9)])
def test_a_scale_has_a_few_round_steps_and_holds_its_numbers(ends) -> None:
    scale = scaled(*ends)
    assert scale.low <= ends[0] + 1e-9 * abs(ends[0])
    assert scale.high >= ends[1] - 1e-9 * abs(ends[1])
    assert 2 <= len(scale.ticks()) <= 8
    leading = scale.step / 10 ** math.floor(math.log10(scale.step) + 1e-9)
    assert round(leading, 6) in (1, 2, 5)


def test_a_ready_made_view_holds_all_protocols_that_begin_as_it_says(rows) -> None:
    longer = replace(rows[0], protocol="linear probe, 100 epochs")
    views = {offer.label: offer for offer in offers([*rows, longer])}
    view = views["ImageNet, linear probe"]
    assert view.count == 3
    everything = [*rows, longer]
    choice = named(QueryDict(view.query)["view"], everything)
    assert len(chosen(everything, choice)) == 3
    assert "ImageNet, k-NN" not in views  # a single row
