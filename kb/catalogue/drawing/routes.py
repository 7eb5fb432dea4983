"""How an arrow runs from node to node: straight, else round what is in the way."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from kb.catalogue.drawing.layout import GAP_X, GAP_Y, Layout, Place

Point = tuple[float, float]
ROUND = 7.0  # radius of a corner
AIR = 3.0    # between an arrow's end and the node


def route(layout: Layout, start: Place, end: Place) -> list[Point]:
    """Corners of the line, ends included; the first way that crosses the fewest nodes.

    A line may touch neither another node nor the body of its own two.
    """
    others = [p for p in layout.places.values() if p not in (start, end)]

    def crossings(way: list[Point]) -> int:
        legs = [(*a, *b) for a, b in pairwise(way)]
        return sum(place.crosses(*leg) for place in others for leg in legs)

    return min(ways(layout, start, end), key=crossings)


def ways(layout: Layout, a: Place, b: Place) -> Iterator[list[Point]]:
    """Sensible ways, the nicest first."""
    ahead = b.x > a.x
    out = (a.right + AIR, a.y) if ahead else (a.left - AIR, a.y)
    into = (b.left - AIR, b.y) if ahead else (b.right + AIR, b.y)
    down = b.y > a.y
    leave = (a.x, a.bottom + a.below + AIR) if down else (a.x, a.top - AIR)
    enter = (b.x, b.top - AIR) if down else (b.x, b.bottom + b.below + AIR)
    apart_x = abs(b.x - a.x) > (a.width + b.width) / 2
    apart_y = abs(b.y - a.y) > (a.height + b.height) / 2
    if abs(a.y - b.y) < 1:
        yield [out, into]
    if abs(a.x - b.x) < 1:
        yield [leave, enter]
    if apart_x:
        for middle in _lanes(layout, a, b):
            yield [out, (middle, a.y), (middle, b.y), into]
    if apart_x and apart_y:
        yield [out, (b.x, a.y), enter]
        yield [leave, (a.x, b.y), into]
    if apart_y:
        for middle in (enter[1] - GAP_Y / 2, enter[1] + GAP_Y / 2):
            yield [leave, (a.x, middle), (b.x, middle), enter]
    yield from _around(a, b)


def _lanes(layout: Layout, a: Place, b: Place) -> Iterator[float]:
    """Where an arrow may turn between two columns: one lane for all, else near an end.

    The lane lies before the widest node of the column that the arrow leads to, so that
    arrows into it meet in one line, and no head hides under a corner.
    """
    sign = 1 if b.x > a.x else -1
    column = [p for p in layout.places.values() if abs(p.x - b.x) < 1]
    yield b.x - sign * (max(p.wide for p in column) / 2 + AIR + GAP_X / 2)
    yield b.x - sign * (b.width / 2 + AIR + GAP_X / 2)
    yield a.x + sign * (a.width / 2 + AIR + GAP_X / 2)


def _around(a: Place, b: Place) -> Iterator[list[Point]]:
    """Over, under, or round the side of both."""
    over = min(a.top, b.top) - GAP_Y / 2
    yield [(a.x, a.top - AIR), (a.x, over), (b.x, over), (b.x, b.top - AIR)]
    low_a, low_b = a.bottom + a.below, b.bottom + b.below
    under = max(low_a, low_b) + GAP_Y / 2
    yield [(a.x, low_a + AIR), (a.x, under), (b.x, under), (b.x, low_b + AIR)]
    side = max(a.right, b.right) + GAP_X / 2
    yield [(a.right + AIR, a.y), (side, a.y), (side, b.y), (b.right + AIR, b.y)]


def path(way: list[Point]) -> str:
    """SVG path data with rounded corners."""
    parts = [f"M{_point(way[0])}"]
    for before, corner, after in zip(way, way[1:], way[2:], strict=False):
        near, far = _towards(corner, before), _towards(corner, after)
        parts.append(f"L{_point(near)}Q{_point(corner)} {_point(far)}")
    parts.append(f"L{_point(way[-1])}")
    return "".join(parts)


def _towards(corner: Point, other: Point) -> Point:
    """The point where the corner's rounding begins on the way to another point."""
    (x, y), (u, v) = corner, other
    length = _length(corner, other)
    part = min(ROUND, length / 2) / length
    return x + (u - x) * part, y + (v - y) * part


def middle(way: list[Point]) -> tuple[Point, Point]:
    """The middle of the longest leg, and the direction in which it runs."""
    start, end = max(pairwise(way), key=lambda leg: _length(*leg))
    return ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2), direction(start, end)


def direction(start: Point, end: Point) -> Point:
    """The unit vector of a horizontal or vertical line."""
    length = _length(start, end)
    return (end[0] - start[0]) / length, (end[1] - start[1]) / length


def _length(start: Point, end: Point) -> float:
    """Of a horizontal or vertical line; never 0, so that it can divide."""
    return abs(end[0] - start[0]) + abs(end[1] - start[1]) or 1.0


def _point(point: Point) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"
