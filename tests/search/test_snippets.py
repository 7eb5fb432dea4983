"""What of a text is shown and marked; most of it is never taken apart."""

from __future__ import annotations

import pytest

from kb.search import analysis
from kb.search.snippets import LENGTH, MOST_HITS, marks, snippet


def plainly(text: str, terms: set[str]) -> list[tuple[int, int, str]]:
    """The same marks, by the terms of every word."""
    found = []
    for match in analysis.words(text):
        term = next((t for t in analysis.terms_of(match[0]) if t in terms), None)
        if term is not None:
            found.append((*match.span(), term))
    return found[:MOST_HITS]


@pytest.mark.parametrize("typed", [
    "masking", "Random Masks", "pre-training", "InfoNCE loss", "temperature", "τ",
    "colour neighbours normalisation", "x", "2-D positions", "224", "ema_update",
    "self-supervised learning of visual representations by contrast",
])  # fmt: skip
def test_no_word_is_overlooked_in_the_papers(typed: str, settings) -> None:
    terms = set(analysis.terms(typed))
    texts = [file.read_text() for file in sorted(settings.PAPERS_DIR.glob("*.md"))[::3]]
    assert any(marks(text, terms) for text in texts)
    for text in texts:
        assert marks(text, terms) == plainly(text, terms)


@pytest.mark.parametrize(("text", "typed", "word"), [
    ("the temperature τ", "tau", "τ"), ("by Hervé Jégou", "jegou", "Jégou"),
    ("GRAY\nscale", "grey", "GRAY"), ("(pre-trained)", "pretrained", "pre-trained"),
    ("call random_masking()", "masked", "random_masking"), ("CNNs win", "CNN", "CNNs"),
])  # fmt: skip
def test_a_word_is_marked_however_it_is_written(text: str, typed: str, word: str) -> None:
    assert f"<mark>{word}</mark>" in snippet(text, set(analysis.terms(typed)))


def test_the_stretch_with_most_of_the_words_is_shown() -> None:
    text = f"mask {'filler ' * 200} mask patch {'filler ' * 200} patch"
    shown = snippet(text, {"mask", "patch"})
    assert "<mark>mask</mark> <mark>patch</mark>" in shown
    assert len(shown) < LENGTH + 60
    assert shown.startswith("… ")
    assert shown.endswith(" …")


def test_without_a_hit_the_beginning_is_shown_escaped() -> None:
    assert snippet("a < b & c", {"zebra"}) == "a &lt; b &amp; c"
    assert snippet("", set()) == ""
