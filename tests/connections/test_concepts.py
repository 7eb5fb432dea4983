"""Concepts: read, found in code and text, and checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.checks import ERROR

from kb.catalogue.code import Module
from kb.catalogue.library import Library
from kb.connections import checks, places
from kb.connections.concepts import Pattern, concepts
from kb.connections.matrix import matrix
from kb.connections.symbols import pairs

Shelves = Callable[[], Library]


@pytest.fixture
def faults(site: Path, shelves: Shelves) -> Callable[[], list[str]]:
    def find() -> list[str]:
        modules = [Module(path) for path in (site / "reference_impls").glob("*.py")]
        return [str(p) for p in checks.problems(concepts(), shelves(), modules)]

    return find


def test_concepts_are_ordered_by_title() -> None:
    assert [one.title for one in concepts().values()] == ["Being far", "Stopping"]


def test_a_changed_file_is_read_again(site: Path) -> None:
    concepts()
    (site / "papers/concepts/new.md").write_text("---\ntitle: A new one\n---\nText.")
    assert "new" in concepts()


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("stop-gradient", True), ("stop*", True), ("Stop*", False), ("gradient", False),
        ("elder/*#stop-gradient", True), ("elder/loss#*", True),
        ("younger/*#stop-gradient", False), ("*/loss#stop-gradient", True),
    ],
)
def test_a_pattern_names_landmarks_anywhere_or_in_one_place(
    pattern: str, fits: bool
) -> None:
    assert Pattern(pattern).fits("elder", "loss", "stop-gradient") is fits


def test_landmarks_are_found_in_every_module(shelves: Shelves) -> None:
    found = places.uses(concepts()["stop"], shelves())
    marks = {
        use.paper.slug: [place.landmark.name for place in use.code] for use in found
    }
    assert marks == {
        "elder": ["halved", "stop-gradient"], "younger": ["stop-gradient"],
    }


def test_the_line_itself_is_shown_highlighted(shelves: Shelves) -> None:
    (_, use) = places.uses(concepts()["stop"], shelves())
    assert use.code[0].html.startswith("z = z.detach()")
    assert '<span class="c1"># -- stop-gradient</span>' in use.code[0].html


def test_sections_and_questions_that_speak_of_it_are_found(shelves: Shelves) -> None:
    (use, _) = places.uses(concepts()["stop"], shelves())
    assert [place.title for place in use.texts] == ["Key idea", "Why stop?"]
    assert use.texts[0].anchor == "key-idea"
    assert use.texts[1].anchor.startswith("q-")


def test_equations_of_its_code_are_found(shelves: Shelves) -> None:
    found = {use.paper.slug: use for use in places.uses(concepts()["stop"], shelves())}
    assert [e.target for e in found["elder"].equations] == ["scale#halved"]
    assert found["younger"].equations == []


def test_tags_count_however_they_are_hyphenated(shelves: Shelves) -> None:
    (use, other) = places.uses(concepts()["stop"], shelves())
    assert (use.words, other.words) == (["stop gradient"], [])


def test_a_paper_without_the_idea_is_left_out(shelves: Shelves) -> None:
    slugs = [use.paper.slug for use in places.uses(concepts()["far"], shelves())]
    assert slugs == ["elder"]


def test_the_table_of_answers_names_what_is_in_the_code(shelves: Shelves) -> None:
    known = concepts()
    table = matrix(known["far"], known, shelves())
    assert [column.name for column in table.columns] == ["stop", "far"]
    assert [
        (line.paper.slug, [[mark.name for mark in cell] for cell in line.cells])
        for line in table.lines
    ] == [
        ("elder", [["halved", "stop-gradient"], ["distance"]]),
        ("younger", [["stop-gradient"], []]),
    ]
    assert matrix(known["stop"], known, shelves()).lines == []


def test_symbols_meet_by_name_then_by_likeness_and_loans_are_seen(
    shelves: Shelves,
) -> None:
    papers = shelves().papers
    found = [
        (p.left.name if p.left else "", p.right.name if p.right else "", p.borrowed)
        for p in pairs(papers["elder"].module, papers["younger"].module)
    ]
    assert found == [
        ("Config", "Config", False), ("loss", "objective", False),
        ("scale", "", True), ("Net", "", False), ("", "twice", False),
    ]


def test_sound_concepts_have_no_problem(faults: Callable[[], list[str]]) -> None:
    assert faults() == []


@pytest.mark.parametrize(
    ("front", "problem"),
    [
        ("title: T\nnames: [a]\nlandmark: [x]", "unknown front matter key 'landmark'"),
        ("names: [a]", "front matter has no 'title'"),
        ("title: T", "front matter has no 'names'"),
        ("title: T\nnames: a", "names is no list"),
        ("title: T\nnames: [a]\nrelated: [stopp]", "no other concept 'stopp'"),
        ("title: T\nnames: [a]\nanswers: [bad]", "no other concept 'bad'"),
        ("title: T\nnames: [a]\nlandmarks: [gone]", "no landmark is 'gone'"),
        ("title: [T", "front matter:"),
    ],
)
def test_what_is_wrong_in_front_matter_is_named(
    site: Path, faults: Callable[[], list[str]], front: str, problem: str
) -> None:
    (site / "papers/concepts/bad.md").write_text(f"---\n{front}\n---\nText.")
    assert any("bad.md:" in found and problem in found for found in faults())


def test_a_link_to_nowhere_is_named(
    site: Path, faults: Callable[[], list[str]]
) -> None:
    text = "---\ntitle: T\nnames: [a]\n---\n[x](paper:nobody) [y](concept:nothing)"
    (site / "papers/concepts/bad.md").write_text(text)
    assert faults() == [
        "bad.md:5: no entry 'nobody'", "bad.md:5: no page concept 'nothing'",
    ]


def test_a_module_that_is_no_python_does_not_stop_the_check(site: Path) -> None:
    (site / "reference_impls/draft.py").write_text("def (:\n")
    (site / "reference_impls/latin.py").write_bytes(b"x = '\xff'\n")
    assert not [m for m in checks.concepts_are_sound(None) if m.level == ERROR]


def test_landmarks_of_a_module_that_is_no_python_are_not_called_lost(site: Path) -> None:
    (site / "papers/concepts/far.md").write_text(
        "---\ntitle: T\nnames: [a]\nlandmarks: [distance]\n---\n[x](code:elder/loss)"
    )
    (site / "reference_impls/elder.py").write_text("def (:\n")
    assert not [m for m in checks.concepts_are_sound(None) if m.level == ERROR]
