"""Papers and notes are read from folders; what is broken is shown, never lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from kb.catalogue.library import Library, Paper, library

Note = Callable[..., Paper]
Shelves = Callable[[], Library]


def test_front_matter_and_files_become_a_paper(toy: Paper) -> None:
    assert (toy.title, toy.short, toy.year) == ("A Toy & Its Temperature", "Toy", 2020)
    assert toy.authors == ["Ada Lovelace", "Émile Borel"]
    assert (toy.part, toy.family, toy.aliases) == (
        "self-supervised", "contrastive", ["toy model"],
    )
    (case,) = toy.golden
    assert (case.function, case.repository, case.atol) == ("softened", "ada/toy", 1e-9)


def test_papers_stand_by_part_then_year_then_title(shelves: Shelves, note: Note) -> None:
    note("# Zebra")
    assert list(shelves().papers) == ["other", "toy", "my_note"]


def test_builds_on_follows_the_imports(shelves: Shelves) -> None:
    papers = shelves().papers
    assert papers["other"].builds_on == ["toy"]
    assert papers["toy"].built_on_by == ["other"]


def test_a_demo_is_offered_where_the_code_allows_it_and_methods_are_inherited(
    shelves: Shelves,
) -> None:
    papers = shelves().papers
    toy, drawn, other = (
        {demo.name for demo in demos}
        for demos in (papers["toy"].demos, papers["toy"].picture_demos, papers["other"].demos)
    )
    assert {"attention", "verify"} <= toy
    assert drawn == other == toy - {"verify"}  # the cases are the toy's alone
    assert "reconstruction" not in toy


def test_a_paper_shows_first_what_it_is_the_example_of() -> None:
    shelf = library().papers
    assert shelf["dino"].demos[0].example == "dino"
    assert shelf["mae"].demos[0].name == "reconstruction"


def test_what_most_come_to_see_stands_before_that_and_checks_stand_last() -> None:
    vit, mae = ([d.name for d in library().papers[slug].demos] for slug in ("vit", "mae"))
    assert vit[:2] == ["attention", "distance"]
    assert mae[:2] == ["reconstruction", "attention"]
    assert vit[-1] == mae[-1] == "verify"


@pytest.mark.parametrize("broken", [b"def (:\n", b"x = '\xff'\n"])
def test_a_module_that_is_no_python_costs_its_own_code_and_nothing_else(
    root: Path, shelves: Shelves, broken: bytes
) -> None:
    (root / "reference_impls/toy.py").write_bytes(broken)
    papers = shelves().papers
    assert papers["toy"].module is None
    assert papers["toy"].sections
    assert papers["toy"].demos == []
    other = papers["other"]  # its class takes its methods over from the toy's
    assert other.module is not None
    assert other.demos == []


def test_bibtex_escapes_what_latex_would_read(toy: Paper) -> None:
    assert toy.bibtex.startswith("@inproceedings{lovelace2020toy,")
    assert r"title = {{A Toy \& Its Temperature}}" in toy.bibtex
    assert r"author = {Ada Lovelace and {\'E}mile Borel}" in toy.bibtex


def test_the_hash_changes_with_text_and_code(
    root: Path, shelves: Shelves, toy: Paper
) -> None:
    before = toy.text_hash
    assert shelves().papers["toy"].text_hash == before
    for name in ("reference_impls/toy.py", "papers/toy.md"):
        path = root / name
        path.write_text(path.read_text() + "\n# more\n")
        after = shelves().papers["toy"].text_hash
        assert after != before
        before = after


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("toi", "toy"), ("TOY", "toy"), ("toy-model", "toy"), ("othr", "other"),
     ("zzzzzzzz", None)],
)
def test_the_nearest_name_is_suggested(
    shelves: Shelves, asked: str, meant: str | None
) -> None:
    found = shelves().nearest(asked)
    assert (found.slug if found else None) == meant


def test_a_plain_note_needs_no_front_matter(note: Note) -> None:
    paper = note("# Über *us*\n\nHello.\n\n## Part\n\nMore $x$.\n", "Ein Überblick.md")
    assert (paper.slug, paper.title, paper.part) == ("ein_uberblick", "Über *us*", "notes")
    assert [s.id for s in paper.sections] == ["text", "part"]
    assert paper.sections[0].html == "<p>Hello.</p>"
    assert paper.module is None
    assert paper.demos == []
    assert paper.problems == []


def test_quarto_and_jekyll_front_matter_is_understood(note: Note) -> None:
    paper = note(
        "---\ntitle: T\nauthor:\n  - name: A B\ndate: 2021-03-04\ntags: x, y\n---\nhi\n",
        "2021-03-04-t.qmd",
    )
    assert (paper.authors, paper.year, paper.tags) == (["A B"], 2021, ["x", "y"])
    assert paper.problems == []


def test_notes_link_to_each_other(note: Note) -> None:
    note("# B\n\nb", "sub/B side.md")
    paper = note("# A\n\n[b](sub/B%20side.md) [[B side|bee]] [[nothing]] [t](paper:toy)")
    html = paper.sections[0].html
    assert html.count('href="/papers/b_side/"') == 2
    assert "<span>nothing</span>" in html
    assert 'href="/papers/toy/"' in html


@pytest.mark.parametrize(
    ("raw", "shown", "message"),
    [
        (b"---\ntitle: a: b\n---\nBody stays.", "Body stays.", "front matter:"),
        (b"---\n- a\n- b\n---\nBody stays.", "Body stays.", None),
        (b"---\nno end\n\nBody stays.", "Body stays.", None),
        (b"---\ntitle: [1, {a: b}]\nyear: [x]\nauthors: 7\n---\nBody stays.",
         "Body stays.", None),
        ("Naïve “quotes”.".encode("cp1252"), "Naïve “quotes”.", "is not UTF-8"),
        ("\ufeffWide ☃.".encode("utf-16"), "Wide ☃.", None),
        (b"\xef\xbb\xbfMarked.", "Marked.", None),
        (b"a\x00b\x02c\r\nd\re", "abc d e", None),
        (bytes(range(256)), "ABC", "is not UTF-8"),
        (b"", "", None),
    ],
)
def test_a_broken_note_is_shown_with_what_could_be_read(
    note: Note, raw: bytes, shown: str, message: str | None
) -> None:
    paper = note(raw)
    assert shown in " ".join(section.text for section in paper.sections)
    assert paper.title
    found = [problem.message for problem in paper.problems]
    assert found == [] if message is None else found[0].startswith(message)


def test_a_note_that_cannot_be_opened_says_so(root: Path, shelves: Shelves) -> None:
    os.symlink(root / "gone.md", root / "notes/link.md")
    paper = shelves().papers["link"]
    assert "could not be read" in paper.sections[0].text
    assert paper.problems


def test_a_note_never_takes_the_place_of_a_paper(note: Note, shelves: Shelves) -> None:
    paper = note("# Mine", "toy.md")
    assert paper.slug == "toy_2"
    assert not shelves().papers["toy"].is_note


def test_a_name_without_latin_letters_gets_an_address(note: Note) -> None:
    assert note("# 视觉", "视觉.md").slug.startswith("note_")


def test_hidden_folders_are_left_alone(root: Path, shelves: Shelves) -> None:
    (root / "notes/.obsidian").mkdir()
    (root / "notes/.obsidian/x.md").write_text("# x")
    assert set(shelves().papers) == {"toy", "other"}


def test_a_missing_folder_is_a_problem_of_the_library(
    root: Path, shelves: Shelves
) -> None:
    (root / "notes").rmdir()
    (problem,) = shelves().problems
    assert "KB_PAPERS_DIRS" in problem.remedy


@pytest.fixture
def configured(root: Path, settings: Settings) -> Path:
    settings.PAPERS_DIR = root / "papers"
    settings.IMPLS_DIR = root / "reference_impls"
    settings.EXTRA_PAPERS_DIRS = [root / "notes"]
    return root


def test_the_library_is_read_once(configured: Path, settings: Settings) -> None:
    settings.DEBUG = False
    first = library()
    (configured / "notes/new.md").write_text("# New")
    assert library() is first


def test_while_developing_a_changed_file_is_read_again(
    configured: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEBUG = True
    monkeypatch.setattr("kb.catalogue.library.CHECK_SECONDS", -1.0)
    first = library()
    assert library() is first
    (configured / "notes/new.md").write_text("# New")
    assert "new" in library().papers
