"""Drafts as files: front matter, body, and never over another file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from kb.catalogue import entries
from kb.catalogue.library import read
from kb.exchange import importing
from kb.exchange.notes.tables import with_tables
from tests.exchange.conftest import SAMPLES

Note = Callable[..., Path]


def test_a_known_paper_brings_its_front_matter(into: Path) -> None:
    importing.run([SAMPLES / "slides.txt"], into)
    meta = entries.read(into / "mae.md").meta
    assert meta["title"] == "Masked Autoencoders Are Scalable Vision Learners"
    assert meta["authors"] == ["Piotr Dollár", "Laurens van der Maaten"]
    assert (meta["year"], meta["arxiv"], meta["part"]) == (2022, "2111.06377", "video")
    assert meta["source"] == ["slides.txt, lines 1-7", "slides.txt, lines 17-17"]


def test_a_new_paper_takes_what_the_text_tells(into: Path) -> None:
    importing.run([SAMPLES / "post.txt"], into)
    meta = entries.read(into / "small_symmetries_everywhere_pictures.md").meta
    assert meta["title"] == "Small symmetries everywhere in pictures"
    assert (meta["arxiv"], meta["tags"]) == ("1901.00001", ["rain"])
    assert meta["code"] == "https://github.com/noether/symmetries"


def test_a_new_paper_takes_authors_and_year_from_the_references(into: Path) -> None:
    importing.run([SAMPLES / "book.txt"], into)
    meta = entries.read(into / "symmetries_small_pictures.md").meta
    assert meta["authors"] == ["Émile Borel", "Emmy Noether"]
    assert (meta["year"], meta["arxiv"]) == (2019, "1901.00001")


def test_headings_formulas_and_captions_stay(into: Path) -> None:
    importing.run([SAMPLES / "book.txt", SAMPLES / "lecture.txt"], into)
    vit, triplet = ((into / f"{slug}.md").read_text() for slug in ("vit", "triplet"))
    assert "# 1 ViT\n\n## Tokens\n\nSixteen by sixteen" in vit
    assert "Figure 1.1: one picture, many words" in vit
    assert r"$$\mathcal{L} = \max(d_+ - d_- + \alpha, 0)$$" in triplet
    assert "## **What about video?**" in (into / "unplaced.md").read_text()


def test_tabs_become_a_table_and_code_does_not() -> None:
    lines = ["text", "\ta|b", "x\ty\tz", "one\ttab alone".replace("\t", " "), "```", "a\tb", "c\td", "```"]
    assert with_tables(lines) == [
        "text", "", r"|  | a\|b |  |", "|---|---|---|", "| x | y | z |", "",
        "one tab alone", "```", "a\tb", "c\td", "```",
    ]


def test_nothing_is_written_over(into: Path, note: Note) -> None:
    importing.run([note("---\n# MAE\n* a\n---\n# b\n---\n")], into)
    (into / "mae.md").write_text("mine now")
    report = importing.run([note("---\n# MAE\n* a\n---\n# b\n---\n")], into)
    assert (into / "mae.md").read_text() == "mine now"
    assert "* a" in (into / "mae_2.md").read_text()
    assert [(Path(d["path"]).name, d["state"]) for d in report["drafts"]] == [
        ("mae_2.md", "numbered")
    ]


def test_the_same_notes_again_change_nothing(into: Path) -> None:
    importing.run([SAMPLES / "post.txt"], into)
    before = {path.name for path in into.iterdir()}
    report = importing.run([SAMPLES / "post.txt"], into)
    assert {draft["state"] for draft in report["drafts"]} == {"same"}
    assert {path.name for path in into.iterdir()} == before


def test_a_dry_run_writes_nothing_and_says_the_same(into: Path) -> None:
    dry = importing.run([SAMPLES / "book.txt"], into, dry_run=True)
    assert not into.exists()
    assert dry == importing.run([SAMPLES / "book.txt"], into)


@pytest.mark.parametrize("name", ["book", "slides", "post", "lecture"])
def test_drafts_can_be_read_on_the_site_at_once(
    into: Path, shelf: Path, settings: Settings, name: str
) -> None:
    importing.run([SAMPLES / f"{name}.txt"], into)
    library = read(shelf, settings.IMPLS_DIR, [into])
    notes = [paper for paper in library.papers.values() if paper.is_note]
    assert len(notes) == len(list(into.glob("*.md")))
    for paper in notes:
        assert paper.sections
        assert not [p for p in paper.problems if "front matter" in p.message]
