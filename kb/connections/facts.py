"""What two entries say of themselves, line by line."""

from __future__ import annotations

from dataclasses import dataclass

from kb.catalogue.papers import Paper
from kb.catalogue.parts import PARTS


@dataclass(frozen=True)
class Fact:
    """One line. left, right: texts, or papers to link to."""

    name: str
    left: list[str | Paper]
    right: list[str | Paper]


def facts(a: Paper, b: Paper) -> list[Fact]:
    """Lines that at least one of the two has something to say in."""
    sides = _facts(a, b), _facts(b, a)
    lines = [Fact(name, sides[0][name], sides[1][name]) for name in sides[0]]
    return [line for line in lines if line.left or line.right]


def shared_tags(a: Paper, b: Paper) -> list[str]:
    """Tags of the first that the second has too, whatever their case."""
    theirs = {tag.casefold() for tag in b.tags}
    return [tag for tag in a.tags if tag.casefold() in theirs]


def _facts(paper: Paper, other: Paper) -> dict[str, list[str | Paper]]:
    shared = shared_tags(paper, other)
    lines = len(paper.module.lines) if paper.module else 0
    return {
        "Year": [str(paper.year)] if paper.year else [],
        "Venue": [paper.venue] if paper.venue else [],
        "Part": [PARTS[paper.part]],
        "Family": [paper.family] if paper.family else [],
        "Own tags": [tag for tag in paper.tags if tag not in shared],
        "Its code builds on": _papers(paper, paper.builds_on),
        "Built on by": _papers(paper, paper.built_on_by),
        "The paper answers": _papers(paper, paper.follows),
        "Lines of code": [str(lines)],
        "Stored cases": [str(len(paper.golden))],
    }


def _papers(paper: Paper, slugs: list[str]) -> list[str | Paper]:
    return [paper.shelf[slug] for slug in slugs if slug in paper.shelf]
