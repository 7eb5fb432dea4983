"""Papers × ideas: whose code has which of the answers that a concept weighs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kb.catalogue.landmarks import Landmark
from kb.catalogue.library import Library
from kb.catalogue.papers import Paper
from kb.connections.concepts import Concept
from kb.connections.places import landmarks


@dataclass(frozen=True)
class Line:
    """One paper; cells: for each column the landmarks found in its own code."""

    paper: Paper
    cells: list[list[Landmark]]


@dataclass(frozen=True)
class Matrix:
    """columns: the concepts weighed, and last the one that weighs them."""

    columns: list[Concept]
    lines: list[Line]


def matrix(
    concept: Concept, everything: Mapping[str, Concept], shelves: Library
) -> Matrix:
    """Every paper that has at least one answer; empty without `answers`."""
    columns = [everything[name] for name in concept.answers if name in everything]
    if not columns:
        return Matrix([], [])
    columns.append(concept)
    lines = [
        Line(paper, [landmarks(column, paper) for column in columns])
        for paper in shelves.papers.values()
    ]
    return Matrix(columns, [line for line in lines if any(line.cells)])
