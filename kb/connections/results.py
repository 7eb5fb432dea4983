"""What both papers measured in the same way on the same data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kb.catalogue.papers import Paper
from kb.results.table import Row

UNVERIFIED = "no"


@dataclass(frozen=True)
class Contest:
    """One measurement of both papers' tables; rows in the order of the file."""

    dataset: str
    protocol: str
    metric: str
    left: list[Row]
    right: list[Row]


def contests(rows: Iterable[Row], a: Paper, b: Paper) -> list[Contest]:
    """Same dataset, protocol and metric on both sides, read in a source."""
    sides: dict[tuple[str, str, str], tuple[list[Row], list[Row]]] = {}
    for row in rows:
        if row.paper in (a.slug, b.slug) and row.verified != UNVERIFIED:
            key = row.dataset, row.protocol, row.metric
            sides.setdefault(key, ([], []))[row.paper == b.slug].append(row)
    return [
        Contest(*key, left, right)
        for key, (left, right) in sides.items() if left and right
    ]
