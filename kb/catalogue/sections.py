"""The sections of our own entries: the same eight in each."""

from __future__ import annotations

from collections.abc import Iterator

from rapidfuzz import process, utils

from kb.catalogue.entries import Entry
from kb.catalogue.problems import Problem

SECTIONS = (
    "TL;DR", "Key idea", "Equations", "Recipe", "Results", "Deviations", "Questions",
    "Sources",
)


def problems(entry: Entry) -> Iterator[Problem]:
    """Sections of another name, and then those that are not there.

    One that is called nearly like a missing one stands for it: a slip is said once.
    """
    lines = {section.title: section.line - 1 for section in entry.sections}
    missing = [name for name in SECTIONS if name not in lines]
    for title in [title for title in lines if title and title not in SECTIONS]:
        near = process.extractOne(
            title, missing or SECTIONS, processor=utils.default_process, score_cutoff=60
        )
        remedy = f"did you mean {near[0]!r}? " if near else ""
        remedy += f"sections are {', '.join(SECTIONS)}"
        yield Problem(entry.path, lines[title], f"unknown section {title!r}", remedy)
        missing = [name for name in missing if not near or name != near[0]]
    if missing:
        remedy = f"add {', '.join(f'`## {name}`' for name in missing)}"
        yield Problem(entry.path, 1, f"no section {', '.join(missing)}", remedy)
