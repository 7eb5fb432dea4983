"""A dot plot of numbers on one scale, laid out in percent of the width it will have."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from kb.results.table import VERIFIED, Row

LEFT, RIGHT = 3.0, 97.0  # percent of the width, so that no mark is cut
TICKS = 5
HIGH = 78.0  # from here on a number stands to the left of its mark


@dataclass(frozen=True)
class Mark:
    """One value. x, low, high: percent; low and high are the ends of its ±."""

    label: str
    detail: str
    value: str
    verified: str
    x: float
    low: float
    high: float

    @property
    def flipped(self) -> bool:
        """Whether its number has no place on the right."""
        return self.high > HIGH


@dataclass(frozen=True)
class Group:
    """The marks of one protocol, the best number first."""

    title: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Tick:
    """One number of the scale."""

    label: str
    x: float


@dataclass(frozen=True)
class Plot:
    """name: what a reader who cannot see it is told."""

    title: str
    name: str
    ticks: tuple[Tick, ...]
    groups: tuple[Group, ...]
    verified: tuple[tuple[str, str], ...]  # kinds that occur, with their words


@dataclass(frozen=True)
class Scale:
    """From numbers to percent of the width."""

    low: float
    high: float
    step: float

    def x(self, number: float) -> float:
        share = (number - self.low) / (self.high - self.low)
        return round(LEFT + share * (RIGHT - LEFT), 2)

    def ticks(self) -> tuple[Tick, ...]:
        count = round((self.high - self.low) / self.step)
        digits = max(0, -math.floor(math.log10(self.step)))
        numbers = (self.low + i * self.step for i in range(count + 1))
        return tuple(Tick(f"{n:.{digits}f}", self.x(n)) for n in numbers)


def draw(rows: list[Row], names: Mapping[str, str]) -> Plot:
    """Rows of one dataset and metric, at least one. names: papers by slug."""
    scale = scaled(
        min(row.number - row.spread for row in rows),
        max(row.number + row.spread for row in rows),
    )
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.protocol, []).append(row)
    title, kinds = f"{rows[0].metric} on {rows[0].dataset}", {r.verified for r in rows}
    if rows[0].goodness != rows[0].number:
        title += " (less is better)"
    numbers = sorted(rows, key=lambda row: row.number)
    return Plot(
        title,
        f"Dot plot of {len(rows)} values of {title}, from {numbers[0].value} to "
        f"{numbers[-1].value}, by protocol. The table below has the same numbers.",
        scale.ticks(),
        tuple(
            Group(protocol, _marks(found, rows, scale, names))
            for protocol, found in groups.items()
        ),
        tuple((kind, words) for kind, words in VERIFIED.items() if kind in kinds),
    )


def scaled(low: float, high: float) -> Scale:
    """Round ends and steps of 1, 2 or 5 that hold both numbers."""
    span = high - low or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / TICKS))
    step = next(m * power for m in (1, 2, 5, 10) if m * power * TICKS >= span)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Scale(first * step, max(last, first + 1) * step, step)


def _marks(
    group: list[Row], rows: list[Row], scale: Scale, names: Mapping[str, str]
) -> tuple[Mark, ...]:
    """The best number first, once where two entries quote it; details tell equal
    labels apart."""
    mixed = len({row.pretraining for row in rows}) > 1
    once: dict[tuple[str, ...], Row] = {}
    for row in group:
        once.setdefault((*_what(row), row.value), row)
    seen = Counter(map(_what, once.values()))
    marks = []
    for row in sorted(once.values(), key=lambda row: row.goodness, reverse=True):
        again = seen[_what(row)] > 1
        details = [
            row.pretraining if mixed else "",
            f"in {names.get(row.paper, row.paper)}" if again else "",
        ]
        marks.append(Mark(
            " · ".join(filter(None, [row.method, row.backbone])),
            ", ".join(filter(None, details)), row.value, row.verified,
            scale.x(row.number), scale.x(row.number - row.spread),
            scale.x(row.number + row.spread),
        ))
    return tuple(marks)


def _what(row: Row) -> tuple[str, str, str]:
    """What a mark is called."""
    return row.method.lower(), row.backbone, row.pretraining
