"""`manage.py check` reads the tables of results and names what is wrong with them."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from kb.catalogue.library import library
from kb.catalogue.problems import Problem
from kb.results.budget import budget
from kb.results.table import Table, table


@register()
def results_are_sound(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """An error for each row that readers do not get to see, or whose link is dead."""
    return [
        Error(str(problem), hint=problem.remedy, id="results.E001")
        for problem in (*problems(table(), library().papers), *budget().problems)
    ]


def problems(found: Table, papers: Container[str]) -> Iterator[Problem]:
    """What is wrong with the file by itself, then rows of papers without an entry."""
    yield from found.problems
    path = settings.PAPERS_DIR / "results.csv"
    for row in found.rows:
        if row.paper not in papers:
            remedy = f"correct the slug, or write papers/{row.paper}.md"
            yield Problem(path, row.line, f"no entry {row.paper!r}", remedy)
