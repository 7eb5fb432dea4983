"""The check of linked lines finds a link to code that no test runs."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from kb.catalogue.library import Paper, library
from tests.linked_lines import OnlyPaper, unproved


@pytest.fixture
def paper() -> Paper:
    return library().papers["mae"]


def test_where_every_line_is_run_nothing_is_unproved(paper: Paper) -> None:
    assert list(unproved(paper, set())) == []


def test_an_equation_with_a_line_that_never_runs_is_named(paper: Paper) -> None:
    equation = paper.equations[0]
    found = list(unproved(paper, {equation.first}))
    assert any(line.startswith(f"mae: #{equation.id} links to ") for line in found)


def test_a_line_that_nothing_points_to_may_stay_unproved(paper: Paper) -> None:
    lines = set(range(1, len(paper.module.lines) + 1))
    assert list(unproved(paper, lines - set(paper.pointing))) == []


def item(file: str, **given: object) -> SimpleNamespace:
    return SimpleNamespace(path=Path(file), callspec=SimpleNamespace(params=given))


def test_a_papers_tests_are_its_file_and_its_share_of_the_shared_ones() -> None:
    modules = [ModuleType(f"reference_impls.{slug}") for slug in ("mae", "byol")]
    items = [
        item("test_mae.py"), item("test_byol.py"),
        *(item("test_every_method.py", method=module) for module in modules),
    ]
    own = [items[0], items[2]]
    OnlyPaper("mae").pytest_collection_modifyitems(items)
    assert items == own
