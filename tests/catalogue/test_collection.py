"""The papers that are here: sound, linked, and light to load."""

from __future__ import annotations

import pytest
from django.conf import settings

from kb.catalogue.checks import messages
from kb.catalogue.library import Paper, read

SHELVES = read(settings.PAPERS_DIR, settings.IMPLS_DIR)
PAPERS = list(SHELVES.papers.values())


def test_manage_check_has_nothing_to_report() -> None:
    assert [str(message) for message in messages(SHELVES)] == []


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.slug)
def test_a_paper_has_all_its_sections_and_explains_its_letters(paper: Paper) -> None:
    ids = [section.id for section in paper.sections]
    assert ids[:3] == ["tldr", "key-idea", "equations"]
    assert {"recipe", "results", "deviations", "questions", "sources"} <= set(ids)
    assert any(equation.words for equation in paper.equations)


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.slug)
def test_a_paper_is_drawn_and_asked_about(paper: Paper) -> None:
    assert 'class="drawing"' in paper.section("key-idea").html
    assert len(paper.page.questions) >= 5


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.slug)
def test_every_equation_is_tied_to_lines(paper: Paper) -> None:
    assert [e.number for e in paper.equations if not e.first] == []


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.slug)
def test_text_and_listing_of_a_page_are_small(paper: Paper) -> None:
    size = len(paper.listing) + sum(len(section.html) for section in paper.sections)
    assert size < 140_000
