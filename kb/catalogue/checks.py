"""`manage.py check` reads every paper and fails on what readers would trip over."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from kb.catalogue import coverage, golden, sections
from kb.catalogue.library import Library, library
from kb.catalogue.papers import Paper
from kb.catalogue.problems import Problem


@register()
def entries_are_sound(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Errors in our own entries and modules, warnings in a reader's notes.

    A library that was found sound is remembered by its fingerprint: reading every
    entry again at each start would take most of it.
    """
    shelves, remembered = library(), settings.VAR_DIR / "sound_library"
    state = state_of(shelves)
    known = remembered.is_file() and remembered.read_text() == state
    if known and not shelves.problems:
        return []
    found = list(messages(shelves))
    if not found:
        remembered.write_text(state)
    return found


def state_of(shelves: Library) -> str:
    """Changes with texts, modules, cases, figures, and the package that reads them."""
    digest = hashlib.sha256(shelves.fingerprint.encode())
    for path in sorted((settings.PAPERS_DIR / "figures").glob("*")):
        digest.update(path.name.encode() + path.read_bytes())
    for path in sorted(settings.IMPLS_DIR.glob("golden/*/*.json")):
        digest.update(path.name.encode() + path.read_bytes())
    for path in sorted((settings.PAPERS_DIR / "concepts").glob("*.md")):
        digest.update(path.name.encode())  # texts link to them
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def messages(shelves: Library) -> Iterator[CheckMessage]:
    """Every problem of the library, own entries first."""
    for paper in shelves.papers.values():
        kind, number = (Warning, "W001") if paper.is_note else (Error, "E001")
        cards = golden.problems(paper.golden_dir) if paper.golden_dir else []
        parts = sections.problems(paper.entry) if not paper.is_note else []
        for problem in (*paper.problems, *parts, *_module_problems(paper), *cards):
            yield kind(str(problem), hint=problem.remedy, id=f"catalogue.{number}")
        for name in coverage.of(paper).silent if not paper.is_note else []:
            yield Warning(
                f"{paper.path.name}: nothing is said of {name}",
                hint=f"link it: [words](code:{name})", id="catalogue.W003",
            )
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
