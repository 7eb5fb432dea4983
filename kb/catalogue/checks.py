"""`manage.py check` reads every paper and fails on what readers would trip over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register

from kb.catalogue.library import Library, library
from kb.catalogue.papers import Paper
from kb.catalogue.problems import Problem


@register()
def entries_are_sound(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Errors in our own entries and modules, warnings in a reader's notes."""
    return list(messages(library()))


def messages(shelves: Library) -> Iterator[CheckMessage]:
    """Every problem of the library, own entries first."""
    for paper in shelves.papers.values():
        kind, number = (Warning, "W001") if paper.is_note else (Error, "E001")
        for problem in (*paper.problems, *_module_problems(paper)):
            yield kind(str(problem), hint=problem.remedy, id=f"catalogue.{number}")
    for problem in shelves.problems:
        yield Warning(str(problem), hint=problem.remedy, id="catalogue.W002")


def _module_problems(paper: Paper) -> Iterator[Problem]:
    """Landmarks that share a name within one symbol: a link could mean either."""
    seen: set[tuple[str, str]] = set()
    for mark in paper.module.landmarks if paper.module else []:
        if (mark.symbol, mark.name) in seen:
            yield Problem(
                paper.module.path, mark.first,  # type: ignore[union-attr]
                f"landmark {mark.name!r} stands twice in {mark.symbol or 'the module'}",
                "give one of them another name",
            )
        seen.add((mark.symbol, mark.name))
