"""Equations of two papers meet where they compute the like."""

from __future__ import annotations

from kb.catalogue.sink import Equation
from kb.connections.equations import align


def equations(*targets: str) -> list[Equation]:
    return [
        Equation(number, "", "", target, number, number, "equations", [])
        for number, target in enumerate(targets, start=1)
    ]


def met(left: list[Equation], right: list[Equation]) -> list[tuple[str, str, str]]:
    rows = align(left, right)
    return [
        (row.left.target if row.left else "", row.right.target if row.right else "",
         row.landmark)
        for row in rows
    ]


def test_equal_landmarks_meet_wherever_they_stand() -> None:
    rows = met(equations("a#x", "b#mean"), equations("c#mean", "d#y"))
    assert rows == [("b#mean", "c#mean", "mean"), ("a#x", "d#y", "")]


def test_the_rest_meets_in_order_and_nothing_is_lost() -> None:
    rows = met(equations("a", "b", "c#m"), equations("d#m", "e"))
    assert rows == [("c#m", "d#m", "m"), ("a", "e", ""), ("b", "", "")]


def test_one_equation_meets_one_other_only() -> None:
    rows = met(equations("a#m", "b#m"), equations("c#m"))
    assert rows == [("a#m", "c#m", "m"), ("b#m", "", "")]


def test_equations_without_a_landmark_are_not_the_same_step() -> None:
    assert met(equations("a"), equations("a")) == [("a", "a", "")]
