"""Hostile text is read, searched and answered; the long form is `tests.fuzz_search`."""

from __future__ import annotations

from tests import fuzz_search


def test_a_thousand_hostile_texts_are_read() -> None:
    fuzz_search.run(count=1000, seed=1, searches=0)


def test_hostile_texts_are_searched(shelf: None, engine: str, settings) -> None:
    settings.SEARCH_ENGINE = engine
    fuzz_search.run(count=120, seed=2, searches=120)


def test_the_same_seed_gives_the_same_texts() -> None:
    once, again = (list(fuzz_search.texts(50, 3)) for _ in range(2))
    assert once == again != list(fuzz_search.texts(50, 4))
