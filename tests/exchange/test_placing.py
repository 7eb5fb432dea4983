"""Which paper each passage goes to, kind by kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kb.exchange import importing
from tests.exchange.conftest import SAMPLES

Placed = Callable[[str], dict[str, Any]]


def found(name: str, into: Path) -> tuple[str, dict[str, str]]:
    """(kind, paper -> its lines) of a sample."""
    (file,) = importing.run([SAMPLES / name], into, dry_run=True)["files"]
    spans = {
        paper["slug"]: " ".join("-".join(map(str, p["lines"])) for p in paper["passages"])
        for paper in file["papers"]
    }
    return file["kind"], spans


def test_a_book_by_its_chapters_and_their_sources(into: Path) -> None:
    assert found("book.txt", into) == ("book", {
        "vit": "16-17 18-24 25-28 33-37",
        "mae": "29-32 38-41 42-45",
        "symmetries_small_pictures": "46-49 50-53",
    })  # fmt: skip


def test_slides_go_on_until_another_paper_is_linked(into: Path) -> None:
    assert found("slides.txt", into) == ("slides", {
        "mae": "1-3 4-7 17-17",
        "dino": "8-10 11-13 14-15",
        "symmetries_small_pictures": "16-16",
        "dinov2": "24-24",
        "moco_v3": "25-25",
    })  # fmt: skip


def test_a_post_by_its_underlined_headings(into: Path) -> None:
    assert found("post.txt", into) == ("post", {
        "can": "10-15",
        "deit3": "16-26",
        "small_symmetries_everywhere_pictures": "27-32",
    })  # fmt: skip


def test_a_lecture_by_lines_that_name_a_paper(into: Path) -> None:
    assert found("lecture.txt", into) == ("lecture", {
        "triplet": "7-15",
        "arrow_of_time": "19-22",
        "elo": "23-27",
        "moco": "28-36",
        "lars": "43-43",
    })  # fmt: skip


def test_a_slide_without_a_name_joins_the_next_one_so_titled(placed: Placed) -> None:
    text = "Scaling up\n\nBigger.\n\n\nScaling up\n\nMAE grows.\n"
    assert placed(text) == {"Scaling up": "mae"}


def test_an_unknown_short_heading_is_no_paper_of_its_own(placed: Placed) -> None:
    post = "My week\n====\n\nRain.\n\nWhat is new in vision?\n====\n\nNothing.\n"
    assert placed(post) == {"My week": None, "What is new in vision?": None}


def test_the_title_of_a_file_stands_for_its_chapters(placed: Placed) -> None:
    note = "---\ntitle: Notes on MAE\n---\n# First thoughts\n\nA.\n\n# Later\n\nB.\n"
    found = placed(note)
    assert (found["First thoughts"], found["Later"]) == ("mae", "mae")


def test_a_list_of_references_makes_no_papers(placed: Placed) -> None:
    slides = (
        "---\n# MAE\n* a\n---\n# References\n"
        "* [Symmetries of Small Pictures](https://arxiv.org/abs/1901.00001)\n---\n# End\n"
    )
    assert placed(slides)["References"] is None


def test_a_slide_with_a_bare_address_is_titled_by_its_heading(into: Path) -> None:
    notes = into.parent / "deck.md"
    notes.write_text(
        "---\nmarp: true\n---\n# Symmetries of Small Pictures\n"
        "https://arxiv.org/abs/1901.00001\n---\n# And more\n* of the same\n"
    )
    importing.run([notes], into)
    draft = (into / "symmetries_small_pictures.md").read_text()
    assert "title: Symmetries of Small Pictures" in draft
    assert "arxiv: '1901.00001'" in draft
    assert "# And more" in draft


@pytest.mark.parametrize("general", ["Motivation", "Agenda", "Conclusions", "Thank you"])
def test_general_slides_interrupt_and_do_not_end_a_topic(
    placed: Placed, general: str
) -> None:
    slides = f"---\n# MAE\n* a\n---\n# {general}\n* b\n---\n# More\n* c\n---\n"
    assert placed(slides) == {"MAE": "mae", general: None, "More": "mae"}
