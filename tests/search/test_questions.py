"""A query that nearly asks a paper's question finds it, in its own words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kb.search import generations, language, ranking, service
from kb.search.documents import Document
from kb.search.generations import Generation
from kb.search.index import LiveIndex
from kb.search.questions import Questions

PAPER = Document(
    "can", "paper", "can", "", "Contrastive masked autoencoders", "", "CAN",
    "noise loss decoder", names=("CAN",), paper=("CAN",),
)  # fmt: skip
SYMBOL = replace(
    PAPER, id="can#def-noise_loss", kind="symbol", anchor="def-noise_loss",
    title="noise_loss", heading="noise_loss", names=("noise_loss",), body="the noise loss",
)  # fmt: skip


def question(anchor: str, heading: str, body: str) -> Document:
    return replace(
        PAPER, id=f"can#{anchor}", kind="section", anchor=anchor, title=f"CAN: {heading}",
        heading=heading, body=body, names=(heading,), section="Questions",
    )  # fmt: skip


NOISE = question("q-noise", "Why is the noise level told?", "Else the loss gets worse.")
CROPS = question("q-crops", "Why two crops?", "One crop has no partner in the loss.")
SHELF = [PAPER, SYMBOL, NOISE, CROPS]


@pytest.fixture
def generation(engine: str, tmp_path: Path) -> Generation:
    with generations.writer_lock(tmp_path):
        return generations.write(tmp_path, SHELF, engine)


def found(text: str, generation: Generation) -> list[str]:
    ranked = ranking.rank(language.parse(text), generation)
    return [document.anchor for document, _ in ranked.hits]


def test_nearness_counts_question_answer_and_name() -> None:
    asked = Questions(SHELF)
    whole = asked.near("why is the noise level told")["can#q-noise"]
    part = asked.near("noise level of CAN, unheard words")["can#q-noise"]
    assert 1 >= whole > part > 0
    assert asked.near("unheard words") == asked.near("") == {}


@pytest.mark.parametrize("text", [
    "does the loss get worse without the noise level?", "noise level told", "CAN crop partner",
])  # fmt: skip
def test_a_question_in_other_words_comes_first(text: str, generation: Generation) -> None:
    assert found(text, generation)[0] == ("q-crops" if "crop" in text else "q-noise")


def test_a_name_stands_above_questions_about_it(generation: Generation) -> None:
    assert found("noise loss", generation)[0] == "def-noise_loss"


def test_a_question_with_an_unwanted_word_stays_out(generation: Generation) -> None:
    assert "q-noise" not in found("noise level told -worse", generation)


def test_a_question_without_the_quoted_phrase_stays_out(generation: Generation) -> None:
    assert "q-noise" in found("noise loss", generation)
    assert "q-noise" not in found('"noise loss"', generation)


@pytest.mark.parametrize("text", ["can", "CAN", "can loss"])
def test_a_name_that_is_a_common_word_is_found(text: str, generation: Generation) -> None:
    assert "" in found(text, generation)


def test_the_same_word_in_a_question_is_no_name(generation: Generation) -> None:
    assert found("can we do with zebras", generation) == []


def test_questions_nearly_asked_are_suggested(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LiveIndex, "generation", lambda self: generation)
    suggested = service.suggest("level of noise")["section"]
    assert suggested[0] == (NOISE.title, "", "/papers/can/#q-noise")
    assert "section" not in service.suggest("zebra crossing")
