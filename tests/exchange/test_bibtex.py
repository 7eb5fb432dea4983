"""BibTeX in: drafts from entries, drafts completed, and the way out and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kb.catalogue.library import library
from kb.exchange import bib, importing
from kb.exchange.formats import to_bibtex
from tests.exchange.conftest import PAPERS, SAMPLES

REFS = SAMPLES / "refs.bib"
Note = Callable[..., Path]


def test_out_and_in_again_gives_the_same_fields() -> None:
    papers = list(library().papers.values())
    read, remarks = bib.read(to_bibtex(papers))
    assert remarks == []
    assert {p.slug for p in read} == set(PAPERS)
    for back in read:
        paper = library().papers[back.slug]
        assert back.title == paper.title
        assert list(back.authors) == paper.authors
        assert (back.year, back.venue) == (paper.year, paper.venue)
        assert back.arxiv == paper.arxiv


def test_the_real_collection_comes_back_too(
    request: pytest.FixtureRequest
) -> None:
    from kb.catalogue.library import read

    root = request.config.rootpath
    papers = read(root / "papers", root / "reference_impls").papers
    back, remarks = bib.read(to_bibtex(papers.values()))
    assert remarks == []
    assert [(p.slug, p.title, list(p.authors), p.year, p.venue, p.arxiv) for p in back] == [
        (p.slug, p.title, p.authors, p.year, p.venue, p.arxiv) for p in papers.values()
    ]


def test_an_entry_becomes_a_draft_and_a_known_paper_does_not(into: Path) -> None:
    report = importing.run([REFS], into)
    (file,) = report["files"]
    assert [(p["slug"], p["status"]) for p in file["papers"]] == [
        ("mae", "known"), ("symmetries", "new"),
    ]
    assert not (into / "mae.md").exists()
    assert (into / "symmetries.md").read_text() == (
        "---\ntitle: Symmetries of Small Pictures & More\n"
        "authors: [Emmy Noether, Émile Borel]\nyear: 2019\n"
        "venue: arXiv preprint arXiv:1901.00001\narxiv: '1901.00001'\n"
        "tags: [groups, pictures]\n---\n\n"
    )


def test_notes_read_beside_bibtex_take_titles_from_it(into: Path) -> None:
    importing.run([SAMPLES / "post.txt", REFS], into)
    draft = (into / "symmetries.md").read_text()
    assert "authors: [Emmy Noether, Émile Borel]" in draft
    assert "Nobody has it yet." in draft


def test_a_draft_gains_what_it_lacks_and_loses_nothing(into: Path, note: Note) -> None:
    importing.run([SAMPLES / "post.txt"], into)
    path = into / "small_symmetries_everywhere_pictures.md"
    before = path.read_text()
    report = importing.run([REFS], into)
    after = path.read_text()
    assert "authors: [Emmy Noether, Émile Borel]\nyear: 2019\n" in after
    assert "title: Small symmetries everywhere in pictures\n" in after
    assert [row for row in before.splitlines() if row not in after.splitlines()] == []
    assert [d["state"] for d in report["drafts"]] == ["completed"]
    again = importing.run([REFS], into)
    assert [d["state"] for d in again["drafts"]] == ["same"]


def test_a_draft_without_front_matter_gets_one(into: Path, note: Note) -> None:
    into.mkdir()
    (into / "symmetries.md").write_text("# Symmetries of Small Pictures & More\n\nx\n")
    importing.run([REFS], into)
    text = (into / "symmetries.md").read_text()
    assert text.startswith("---\ntitle: Symmetries")
    assert text.endswith("---\n# Symmetries of Small Pictures & More\n\nx\n")


def test_a_broken_entry_is_told_and_the_others_are_read() -> None:
    text = "@article{good, title={Good}}\n\n@article{untitled, year=2020}\n\n@article{bad, title={x\n"
    papers, remarks = bib.read(text)
    assert [paper.title for paper in papers] == ["Good"]
    assert [(r.line, r.text) for r in remarks] == [
        (5, "this entry cannot be read; check its braces"),
        (3, "untitled has no title and was left out"),
    ]


@pytest.mark.parametrize(
    ("fields", "arxiv"),
    [
        ("eprint={2111.06377}, archivePrefix={arXiv}", "2111.06377"),
        ("journal={arXiv preprint arXiv:2111.06377}", "2111.06377"),
        ("url={https://arxiv.org/abs/2111.06377v3}", "2111.06377"),
        ("doi={10.48550/arXiv.2111.06377}", "2111.06377"), ("note={page 2111}", ""),
    ],
)  # fmt: skip
def test_arxiv_numbers_are_found_where_exporters_put_them(
    fields: str, arxiv: str
) -> None:
    (paper,), _ = bib.read(f"@misc{{k, title={{T}}, {fields}}}")
    assert paper.arxiv == arxiv
