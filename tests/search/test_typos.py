"""Typos find the papers that were meant, and the answer says what was made of them.

`queries.jsonl` is made by `make_typos`: a typed word, the word that was meant and the
slips between them. The right papers are those that hold the word that was meant.
"""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from pathlib import Path

from kb.catalogue.library import library
from kb.search import service
from kb.search.analysis import plain_words
from kb.search.documents import documents
from kb.search.entries import text
from kb.search.service import Answer

FILE = Path(__file__).parent / "queries.jsonl"
TYPOS = [json.loads(line) for line in FILE.read_text().splitlines()]
NEAR, FOUND = 3, 0.95


@cache
def answer(query: str, engine: str) -> Answer:
    return service.search(query)


@cache
def holders() -> dict[str, set[str]]:
    """Slugs of the papers that hold a word, by word."""
    found: dict[str, set[str]] = defaultdict(set)
    for document in documents(library()):
        for word in plain_words(f"{text(document)}\n{' '.join(document.symbols)}"):
            found[word].add(document.slug)
    return found


def test_the_typos_are_of_300_different_words() -> None:
    assert len({each["term"] for each in TYPOS}) == 300
    assert min(len(each["term"]) for each in TYPOS) >= 4
    assert {len(each["slips"]) for each in TYPOS} == {1, 2}


def test_the_right_paper_is_among_the_first_three(library_of: str) -> None:
    missed = []
    for each in TYPOS:
        near = answer(each["query"], library_of).results[:NEAR]
        if not {hit.slug for hit in near} & holders()[each["term"]]:
            missed.append((each["query"], each["term"], [hit.slug for hit in near]))
    assert 1 - len(missed) / len(TYPOS) >= FOUND, missed


def test_nine_of_ten_typos_are_read_as_the_word_that_was_meant(library_of: str) -> None:
    read = [(each["term"], answer(each["query"], library_of).query) for each in TYPOS]
    as_meant = [term == said.corrected or "that begin" in said.understood
                for term, said in read]  # fmt: skip
    wrong = [row for row, good in zip(read, as_meant, strict=True) if not good]
    assert sum(as_meant) / len(read) >= 0.9, wrong


def test_a_correction_is_said_and_the_exact_form_is_offered(library_of: str) -> None:
    for each in TYPOS:
        said = answer(each["query"], library_of).query
        if said.corrected is None:
            continue
        assert f"“{each['query']}”" in said.understood
        assert f"“{said.corrected}”" in said.understood
        assert said.exact_url == f"/search/?q={each['query']}&exact=1"


def test_the_exact_form_is_searched_as_typed(library_of: str) -> None:
    for each in TYPOS[:10]:
        exact = service.search(each["query"], exact=True)
        assert exact.query.corrected is None
        assert f"“{each['term']}”" not in exact.query.understood


def test_a_known_word_is_never_corrected(library_of: str) -> None:
    for each in TYPOS[::10]:
        assert answer(each["term"], library_of).query.corrected is None


def test_exact_hits_stand_above_those_of_a_corrected_word(library_of: str) -> None:
    found = answer("patchify attentoin", library_of)
    assert found.query.corrected == "patchify attention"
    top = found.results[0]
    assert "patchify" in f"{top.title} {top.snippet}".lower()


def test_three_letters_are_read_as_a_common_word_or_left_alone(library_of: str) -> None:
    assert answer("tme", library_of).query.corrected == "time"
    for name in ("vae", "llm", "lda"):
        assert answer(name, library_of).query.corrected is None
