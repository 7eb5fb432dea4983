"""Our own trainings under one budget: the table, its curves, and what is wrong in it."""

from __future__ import annotations

import csv
import io
import json
import re
from html import unescape

import pytest

from kb.results.budget import COLUMNS, read
from kb.results.budget_page import TITLES, line

ROWS = """\
raw_pixels,,,,,,,,36.1,,37.0,0.98,277,,,2026-11-22,
toy,0,20.0,900,57600,6.24,5.1,29.5,33.1,34.0,36.4,0.7,51,6.24 5.6 5.1,abcdef123456,2026-11-22,trial
other,0,19.9,400,25600,4.2,3.1,30.0,31.2,34.1,33.0,0.6,40,4.2 4.4 3.1,abcdef123457,2026-11-22,
"""


@pytest.fixture
def trained(site, settings):
    """The small site with these rows."""
    def tell(rows: str = ROWS):
        path = settings.PAPERS_DIR / "same_budget.csv"
        path.write_text(f"{','.join(COLUMNS)}\n{rows}")
        return path

    tell()
    site.tell = tell
    return site


def methods(answer) -> list[str]:
    return [row.method for row, _, _ in answer.context["shown"]]


def test_the_best_neighbours_come_first_and_controls_stand_among_the_methods(trained):
    answer = trained.get("/results/same-budget/")
    assert methods(answer) == ["raw_pixels", "toy", "other"]
    html = answer.content.decode()
    assert 'href="/papers/toy/"' in html
    assert '<strong>33.1</strong> <span class="gain">+3.6</span>' in html
    assert '<strong>33.0</strong> <span class="gain">−1.1</span>' in html
    assert '<strong>36.1</strong> <span class="gain"></span>' in html
    assert html.count('class="control"') == 1
    assert "Raw pixels, 16 × 16" in html
    assert "style=" not in html


def test_every_heading_sorts_both_ways_and_empty_cells_come_last(trained):
    for column in TITLES:
        first = trained.get(f"/results/same-budget/?sort=-{column}")
        assert first.content.decode().count('aria-sort="descending"') == 1
        (heading,) = [h for h in first.context["headings"] if h.column == column]
        again = trained.get(f"/results/same-budget/?{heading.query}")
        assert 'aria-sort="ascending"' in again.content.decode()
    assert methods(trained.get("/results/same-budget/?sort=-loss_last")) == ["toy", "other", "raw_pixels"]
    assert methods(trained.get("/results/same-budget/?sort=loss_last")) == ["other", "toy", "raw_pixels"]
    assert methods(trained.get("/results/same-budget/?sort=method")) == ["other", "raw_pixels", "toy"]


def test_an_order_by_no_column_is_refused_with_those_there_are(trained):
    answer = trained.get("/results/same-budget/?sort=colour")
    assert answer.status_code == 400
    assert "sort by method, knn_before" in unescape(answer.content.decode())


def test_each_training_is_drawn_and_has_the_command_that_made_it(trained):
    html = unescape(trained.get("/results/same-budget/").content.decode())
    assert html.count("<polyline") == 2
    assert "python -m demos.train toy --minutes 20 --seed 0" in html
    assert re.search(r'aria-label="Loss of \w+: 6.24 at first, 5.1 at last."', html)


def test_a_curve_runs_from_left_to_right_with_the_largest_loss_on_top():
    assert line([6.0, 4.0, 5.0]) == "2.0,2.0 50.0,38.0 98.0,20.0"
    assert line([3.0]) == "2.0,2.0"


def test_the_papers_page_leads_to_its_row(trained):
    html = trained.get("/papers/toy/").content.decode()
    assert "k-NN 29.5 % before, 33.1 % after" in html
    assert 'href="/results/same-budget/#curve-toy"' in html
    assert 'id="curve-toy"' in trained.get("/results/same-budget/").content.decode()
    trained.tell("")
    assert "core-minutes" not in trained.get("/papers/toy/").content.decode()


@pytest.mark.parametrize("rows", ["", None])
def test_without_rows_or_a_file_the_page_says_how_to_measure(trained, settings, rows):
    path = trained.tell("")
    if rows is None:
        path.unlink()
    html = trained.get("/results/same-budget/").content.decode()
    assert "Not measured yet" in html
    assert "python -m demos.train dino" in html
    assert "<table" not in html


def test_the_files_hold_the_same_rows(trained):
    cells = list(csv.DictReader(io.StringIO(trained.get("/results/same-budget.csv").content.decode())))
    assert [row["method"] for row in cells] == ["raw_pixels", "toy", "other"]
    answer = json.loads(trained.get("/results/same-budget.json").content)
    assert answer["fields"] == list(COLUMNS)
    assert answer["results"][1]["curve"] == [6.24, 5.6, 5.1]
    assert answer["results"][1]["knn_after"] == "33.1"


@pytest.mark.parametrize(("row", "message"), [
    ("toy,0,20", "has not as many cells as the header"),
    (ROWS.splitlines()[1].replace("33.1", "much"), "knn_after 'much' is no number"),
    (ROWS.splitlines()[1].replace("6.24 5.6 5.1", "6.24 up"), "the curve is not made of numbers"),
    (ROWS.splitlines()[1].removeprefix("toy"), "no method"),
])
def test_a_bad_row_is_named_and_hides_no_other(trained, row, message):
    found = read(trained.tell(f"{row}\n{ROWS}"))
    assert [str(problem) for problem in found.problems] == [f"same_budget.csv:2: {message}"]
    assert len(found.rows) == 3
    assert trained.get("/results/same-budget/").status_code == 200


def test_a_file_with_other_columns_is_one_problem(trained):
    path = trained.tell()
    path.write_text("method,value\nsimclr,3\n")
    (problem,) = read(path).problems
    assert problem.remedy.startswith("begin it with method,seed")


def test_the_table_that_comes_with_the_project_is_sound():
    from tests.test_architecture import ROOT

    found = read(ROOT / "papers/same_budget.csv")
    assert not found.problems
