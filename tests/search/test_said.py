"""What places say themselves, compared with a query word for word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kb.search.engine import Entry
from kb.search.said import LEAST, LONGEST, TOGETHER, Said, Writer

AVERAGE = ["exponenti", "move", "averag"]


def said(tmp_path: Path, *texts: str, around: str = "") -> Said:
    """The file of some entries, written and read."""
    writer = Writer()
    entries = [
        Entry({"text": text.split(), "symbols": [], "context": around.split()})
        for text in texts
    ]
    assert list(writer.heard(entries)) == entries
    writer.save(tmp_path / "said.npz")
    return Said(tmp_path / "said.npz")


def factors(of: Said, places: list[int], terms: list[str], *, together: bool = True):
    return of.factors(np.array(places, np.int64), terms, together=together).tolist()


def test_a_place_that_says_the_words_side_by_side_is_closest(tmp_path: Path) -> None:
    of = said(tmp_path, "averag of a move thing", f"an {' '.join(AVERAGE)} of weight")
    far, near = factors(of, [0, 1], AVERAGE)
    assert near == pytest.approx(1 + TOGETHER)
    assert LEAST < far < 1
    assert factors(of, [1], AVERAGE, together=False) == [pytest.approx(1)]


def test_a_few_words_may_stand_between_and_the_order_counts(tmp_path: Path) -> None:
    of = said(tmp_path, "stop the whole gradient", "gradient stop", "stop a b c gradient")
    terms = ["stop", "gradient"]
    assert factors(of, [0, 1, 2], terms) == pytest.approx([1 + TOGETHER, 1, 1])


def test_words_of_two_places_are_not_side_by_side(tmp_path: Path) -> None:
    of = said(tmp_path, "a stop", "gradient b")
    first, second = factors(of, [0, 1], ["stop", "gradient"])
    assert first < 1
    assert second < 1


def test_unheard_words_leave_the_least(tmp_path: Path) -> None:
    of = said(tmp_path, "mask patch", "")
    assert factors(of, [0, 1], ["unheard", "zebra"]) == pytest.approx([LEAST, LEAST])


def test_the_paper_around_says_words_too_but_not_side_by_side(tmp_path: Path) -> None:
    of = said(tmp_path, "loss of a pair", around="byol loss")
    assert factors(of, [0], ["byol", "loss"]) == pytest.approx([1])


def test_a_rare_word_counts_more_than_a_common_one(tmp_path: Path) -> None:
    of = said(tmp_path, "loss rare", *["loss"] * 20, "rare")
    common, rare = factors(of, [3, 21], ["loss", "rare"])
    assert rare > common > LEAST


def test_of_a_long_page_the_beginning_is_read(tmp_path: Path) -> None:
    of = said(tmp_path, f"{'filler ' * LONGEST} mask patch")
    assert factors(of, [0], ["mask", "patch"]) == pytest.approx([LEAST])


def test_places_come_in_any_order_and_none_is_no_error(tmp_path: Path) -> None:
    of = said(tmp_path, "a", "mask patch", "", "b c d")
    both = factors(of, [1, 3], ["mask", "patch"])
    assert factors(of, [3, 1], ["mask", "patch"]) == both[::-1]
    assert factors(of, [], ["mask", "patch"]) == []


def test_an_index_without_entries_is_read(tmp_path: Path) -> None:
    assert factors(said(tmp_path), [], ["mask", "patch"]) == []
