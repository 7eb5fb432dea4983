"""The numbers that are here: sound, and the same in the table and in the entries."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.conf import settings

from kb.catalogue.library import Paper, read
from kb.results import table as tables
from kb.results.checks import problems

PAPERS = list(read(settings.PAPERS_DIR, settings.IMPLS_DIR).papers.values())
TABLE = tables.read(settings.PAPERS_DIR / "results.csv")
NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)(?: ± \d+(?:\.\d+)?)? ?%?( \(unverified\))?")
# Columns that say how something was measured, or what follows from the others.
SETTINGS = re.compile(
    r"batch|epochs?|steps?|pixels|queue|dim\w*|width|param\w*|year|frames|layers?|size|images|"
    r"labels|difference|gain|[^\W\d]|\$.*\$"
)


def results(paper: Paper) -> Iterator[tuple[str, bool]]:
    """(number, whether marked unverified) of each table cell in `## Results`."""
    for section in paper.entry.sections:
        if section.id == "results":
            yield from cells(section.source)


def cells(markdown: str) -> Iterator[tuple[str, bool]]:
    """Cells that are a bare number. The first of a row is what the row is called."""
    head: list[str] = []
    for line in markdown.splitlines():
        if not line.startswith("|"):
            head = []
            continue
        found = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not head:
            head = found
        for title, cell in list(zip(head, found, strict=False))[1:]:
            number = NUMBER.fullmatch(cell.replace("*", ""))
            if found is not head and number and not SETTINGS.fullmatch(title):
                yield number[1], bool(number[2])


def test_the_table_has_no_fault() -> None:
    found = problems(TABLE, {paper.slug for paper in PAPERS})
    assert [f"{problem} ({problem.remedy})" for problem in found] == []


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.slug)
def test_a_number_of_an_entry_stands_in_the_table_and_says_if_it_is_unverified(paper: Paper) -> None:
    rows: dict[float, set[str]] = {}
    for row in TABLE.rows:
        if row.paper == paper.slug:
            rows.setdefault(row.number, set()).add(row.verified)
    found = list(results(paper))
    assert [number for number, _ in found if float(number) not in rows] == []
    unmarked = [n for n, marked in found if not marked and rows[float(n)] == {"no"}]
    assert unmarked == []


def test_only_cells_that_are_results_are_looked_at() -> None:
    text = (
        "In 2020:\n\n| net | batch | top-1 | $K$ |\n|---|---|---|---|\n"
        "| 50 | 4096 | 74.3 % | 8 |\n| B | 1 | **9.5 ± 0.1** | 8 |\n| C | | 3 (unverified) | |\n"
        "| D | | [77.9](paper:vit) | |\n\n| | 5 |\n|---|---|\n| a | 6.0 |\n"
    )
    assert list(cells(text)) == [("74.3", False), ("9.5", False), ("3", True), ("6.0", False)]
