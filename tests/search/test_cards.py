"""Papers are found by their cards; places are compared with the query word for word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kb.search import formula, language
from kb.search.cards import RISE_BY_AUTHOR, RISE_BY_TOPIC, Cards
from kb.search.documents import Document
from kb.search.lexicon import name_keys

DINO = Document(
    "dino", "paper", "dino", "", "Emerging", "", "Emerging properties DINO", "",
    year=2021, authors=("Mathilde Caron", "Stella X. Yu"), family="distillation",
    tags=("multi-crop",),
)  # fmt: skip
SWAV = replace(DINO, id="swav", heading="Clusters SwAV", year=2020, authors=("Mathilde Caron",))
NAMED = replace(DINO, id="dino#a", kind="section", body="average of a moving thing", tags=())
SAID = replace(NAMED, id="dino#b", body="an exponential moving average of weights")


@pytest.mark.parametrize(("words", "expected"), [
    ("caron", {"dino": RISE_BY_AUTHOR, "swav": RISE_BY_AUTHOR}),
    ("caron 2021", {"dino": RISE_BY_AUTHOR}), ("distillation 2020", {"swav": RISE_BY_AUTHOR}),
    ("multi-crop", {"dino": RISE_BY_TOPIC, "swav": RISE_BY_TOPIC}),
    ("emerging", {"dino": RISE_BY_TOPIC}), ("caron loss", {}), ("X", {}), ("", {}),
])  # fmt: skip
def test_all_words_must_stand_on_the_card(words: str, expected: dict[str, float]) -> None:
    assert Cards([DINO, SWAV, SAID]).matches(words.split()) == expected


@pytest.mark.parametrize(("typed", "name"), [
    ("facenet", "FaceNet"), ("aot", "AoT"), ("tldr", "TL;DR"), ("hifi", "Hi-Fi"),
    ("teacher student", "teacher and student"), ("Random Masks", "random_masking"),
])  # fmt: skip
def test_names_are_known_however_they_are_typed(typed: str, name: str) -> None:
    assert set(name_keys(typed)) & set(name_keys(name))


def test_small_words_make_a_question_no_name() -> None:
    assert "sinkhorn knopp" not in name_keys("What does Sinkhorn-Knopp do?")


@pytest.mark.parametrize("text", [
    "arxiv 2104.14294", "arXiv:2104.14294v2", "https://arxiv.org/abs/2104.14294",
    "http://www.arxiv.org/pdf/2104.14294v1.pdf",
])  # fmt: skip
def test_an_arxiv_address_is_its_number(text: str) -> None:
    assert [word.text for word in language.parse(text).words] == ["2104.14294"]


@pytest.mark.parametrize("text", [
    "stop gradient", "stop-gradient", "stopgrad", r"\operatorname{sg}", "Stop_Grad",
])  # fmt: skip
def test_the_stop_gradient_has_one_term_however_it_is_written(text: str) -> None:
    assert formula.terms(text) == formula.terms("stopgrad")
