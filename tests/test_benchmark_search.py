"""The figures of the search benchmark, against values worked out by hand."""

from __future__ import annotations

import random

import pytest

from benchmarks.search_figures import ndcg, percentile, recall, reciprocal_rank
from benchmarks.search_queries import drawn, known_items, slip, telling
from kb.search.documents import Document


def document(number: int) -> Document:
    title = f"Learning visual correspondence number {'abcdefghij'[number] * 9}"
    return Document(
        id=f"d{number}", kind="paper", slug=f"d{number}", anchor="", title=title,
        section="", heading=title, body="We find that dense features match well.",
    )


SHELF = [document(number) for number in range(10)]
WORDS = {word for each in SHELF for word in telling(f"{each.heading} {each.body}")}


def test_ndcg_of_the_best_order_is_1_whatever_follows() -> None:
    assert ndcg([3, 2, 1, 0, 0], [1, 2, 3]) == pytest.approx(1)


def test_ndcg_discounts_by_the_logarithm_of_the_rank() -> None:
    # 1 / log2(3) for the second place, of 1 for the first
    assert ndcg([0, 1], [1]) == pytest.approx(0.63093, abs=1e-5)
    # (1 + 3 / log2(3)) / (3 + 1 / log2(3))
    assert ndcg([1, 3], [3, 1]) == pytest.approx(0.79671, abs=1e-5)


def test_ndcg_looks_at_the_first_k_of_both_orders() -> None:
    assert ndcg([0] * 10 + [1], [1]) == 0
    assert ndcg([1] * 10, [1] * 30) == pytest.approx(1)


def test_ndcg_counts_what_was_missed() -> None:
    # 1 of 1 + 1 / log2(3)
    assert ndcg([1], [1, 1]) == pytest.approx(0.61315, abs=1e-5)


def test_ndcg_without_a_gain_is_0() -> None:
    assert ndcg([0, 0], [0]) == 0


def test_recall_is_the_share_of_relevant_documents_among_the_first_k() -> None:
    assert recall(["a", "x", "b"], {"a", "b", "c", "d"}) == 0.5
    assert recall(["x", "a"], {"a"}, k=1) == 0


def test_reciprocal_rank_ends_at_k() -> None:
    assert reciprocal_rank(["x", "y", "a"], "a") == pytest.approx(1 / 3)
    assert reciprocal_rank(["x"] * 10 + ["a"], "a") == 0
    assert reciprocal_rank([], "a") == 0


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.95) == 95
    assert percentile([7.0], 0.5) == 7


def test_telling_words_are_long_and_uncommon() -> None:
    assert telling("What is the Loss of BYOL-2, really?") == ["loss", "byol"]


def test_a_slip_changes_a_word_but_not_its_first_letter() -> None:
    chance = random.Random(0)
    slips = {slip("contrastive", chance) for _ in range(50)}
    assert {word[0] for word in slips} == {"c"}
    assert len(slips) > 20


def test_queries_are_drawn_alike_each_time_and_as_many_of_each_kind() -> None:
    made = drawn(SHELF, WORDS, 5)
    assert made == drawn(SHELF, WORDS, 5)
    assert {len(texts) for texts in made.values()} == {5}
    assert not WORDS & set(made["typo"])
    assert set(made["one word"]) <= WORDS


def test_known_items_are_words_of_the_title_in_their_order() -> None:
    titles = {each.slug: telling(each.heading) for each in SHELF}
    for text, slug in known_items(SHELF, 20):
        at = [titles[slug].index(word) for word in text.split()]
        assert at == sorted(at)
        assert len(at) in (2, 3)
