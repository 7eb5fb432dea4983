"""The equations of two papers, those that compute the like beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from kb.catalogue.sink import Equation


@dataclass(frozen=True)
class Meeting:
    """One row; landmark: the name that both have in their code, or "" (by order)."""

    left: Equation | None
    right: Equation | None
    landmark: str = ""


def align(left: Sequence[Equation], right: Sequence[Equation]) -> list[Meeting]:
    """Equations whose code bears the same landmark meet first; the rest in order."""
    waiting = list(right)
    met: list[Meeting] = []
    alone: list[Equation] = []
    for equation in left:
        name = landmark(equation)
        same = [other for other in waiting if name and landmark(other) == name]
        if same:
            waiting.remove(same[0])
            met.append(Meeting(equation, same[0], name))
        else:
            alone.append(equation)
    return met + [Meeting(a, b) for a, b in zip_longest(alone, waiting)]


def landmark(equation: Equation) -> str:
    """`denominator` of `code=loss#denominator`."""
    return equation.target.partition("#")[2].strip()
