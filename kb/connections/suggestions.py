"""Pairs of papers that are worth comparing, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from kb.catalogue.library import Library
from kb.catalogue.papers import Paper


@dataclass(frozen=True)
class Suggestion:
    """The elder paper first; reasons in words, most telling first."""

    a: Paper
    b: Paper
    reasons: list[str]


def comparable(shelves: Library) -> list[Paper]:
    """Entries with code, in the order of the shelves."""
    return [paper for paper in shelves.papers.values() if paper.module]


def suggestions(papers: Iterable[Paper]) -> list[Suggestion]:
    """Pairs with a reason, those with most reasons first."""
    ordered = sorted(papers, key=lambda paper: (paper.year or 9999, paper.slug))
    found = [
        Suggestion(a, b, reasons)
        for a, b in combinations(ordered, 2) if (reasons := _reasons(a, b))
    ]
    # Kin that build on each other say more than kin or ties alone.
    return sorted(found, key=lambda pair: -len(pair.reasons))


def _reasons(a: Paper, b: Paper) -> list[str]:
    """In words; nothing where two papers have nothing to do with each other."""
    reasons: list[str] = []
    for newer, older in ((b, a), (a, b)):
        verbs = ["builds on"] * (older.slug in newer.builds_on)
        verbs += ["answers"] * (older.slug in newer.follows)
        if verbs:
            reasons.append(f"{newer.short} {' and '.join(verbs)} {older.short}")
    same = a.family and a.family.casefold() == b.family.casefold()
    return reasons + ([f"both {a.family}"] if same else [])
