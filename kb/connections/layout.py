"""Where everything on the map stands.

Papers stand in columns and, from top to bottom, in lanes, one for each part. An edge
that passes a column gets a row of its own there, shared by all edges of one source, so
lines run beside names and never across them: curves lie between columns only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from kb.connections.graph import Edge
from kb.connections.layers import columns

WIDTH, HEIGHT = 148, 34  # of a paper
GUTTER = 44, 90  # between columns, at least and at most
FULL = 1384  # as wide as the map gets before it takes the least gutter
GAP = 8  # between rows
TRACK = 8  # a row that only lets edges pass
HEAD = 36  # above each lane, for its name on two lines
MARGIN = 4
SWEEPS = 4


@dataclass(frozen=True)
class Box:
    """A paper's place: its upper left corner."""

    slug: str
    x: float
    y: float

    @property
    def middle(self) -> float:
        return self.y + HEIGHT / 2


@dataclass(frozen=True)
class Route:
    """An edge as points: a curve between columns, a line through one, and so on.

    reverse: it runs from right to left, so the first point is that of its target.
    """

    edge: Edge
    points: list[tuple[float, float]]
    reverse: bool


@dataclass(frozen=True)
class Lane:
    """A part's stretch of the map. y: its top, where its name is written."""

    part: str
    y: float


@dataclass(frozen=True)
class Layout:
    boxes: dict[str, Box]
    routes: list[Route]
    lanes: list[Lane]
    width: float
    height: float


@dataclass
class Row:
    """One place in a column: a paper (`slug`), or a track for edges of `source`."""

    column: int
    lane: str
    slug: str = ""
    source: str = ""
    y: float = 0
    neighbours: list[Row] = field(default_factory=list, repr=False)

    @property
    def height(self) -> int:
        return HEIGHT if self.slug else TRACK

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


def lay_out(parts: Mapping[str, str], edges: Sequence[Edge]) -> Layout:
    """The map. parts: slug -> part, in the order that they should have."""
    column = columns(list(parts), edges)
    rows = {slug: Row(column[slug], parts[slug], slug=slug) for slug in parts}
    tracks = _tracks(rows, edges)
    _connect(rows, tracks, edges)
    lanes = list(dict.fromkeys(parts.values()))
    places, height = _stack([*rows.values(), *tracks.values()], lanes)
    left = _left_edges(max(column.values(), default=0) + 1)
    boxes = {slug: Box(slug, left[row.column], row.y) for slug, row in rows.items()}
    routes = [_route(_way(rows, tracks, edge), left, edge) for edge in edges]
    # Behind the last column there is room for lines that stay within it.
    width = left[-1] + WIDTH + GUTTER[0]
    return Layout(boxes, routes, places, width, height)


def _left_edges(count: int) -> list[float]:
    """Where each column starts: as wide apart as the page allows."""
    free = (FULL - count * WIDTH) // max(count, 1)
    gutter = min(max(free, GUTTER[0]), GUTTER[1])
    return [MARGIN + float(column * (WIDTH + gutter)) for column in range(count)]


def _ends(rows: Mapping[str, Row], edge: Edge) -> tuple[Row, Row]:
    """The left and the right end; an edge that closes a circle runs backwards."""
    one, other = rows[edge.source], rows[edge.target]
    return (one, other) if one.column <= other.column else (other, one)


def _tracks(
    rows: Mapping[str, Row], edges: Sequence[Edge]
) -> dict[tuple[str, int], Row]:
    """A track for each paper and column that its edges pass."""
    tracks: dict[tuple[str, int], Row] = {}
    for edge in edges:
        left, right = _ends(rows, edge)
        for column in range(left.column + 1, right.column):
            key = left.slug, column
            tracks.setdefault(key, Row(column, left.lane, source=left.slug))
    return tracks


def _way(
    rows: Mapping[str, Row], tracks: Mapping[tuple[str, int], Row], edge: Edge
) -> list[Row]:
    left, right = _ends(rows, edge)
    between = range(left.column + 1, right.column)
    return [left, *(tracks[left.slug, column] for column in between), right]


def _connect(
    rows: Mapping[str, Row], tracks: Mapping[tuple[str, int], Row],
    edges: Sequence[Edge],
) -> None:
    for edge in edges:
        way = _way(rows, tracks, edge)
        for one, other in pairwise(way):
            one.neighbours.append(other)
            other.neighbours.append(one)


def _stack(rows: Sequence[Row], lanes: Sequence[str]) -> tuple[list[Lane], float]:
    """Gives every row its y: lanes below each other, rows near what they lead to."""
    cells: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        cells.setdefault((row.lane, row.column), []).append(row)
    places: list[Lane] = []
    room: dict[str, tuple[float, float]] = {}  # of each lane: top, height
    top = float(MARGIN)
    for lane in lanes:
        heights = [_height(cell) for (name, _), cell in cells.items() if name == lane]
        room[lane] = top + HEAD, max(heights, default=0)
        places.append(Lane(lane, top))
        top += HEAD + max(heights, default=0) + GAP
    for sweep in range(SWEEPS):
        by_column = sorted(cells.items(), key=lambda one: one[0][1])
        for (lane, _), cell in by_column[:: -1 if sweep % 2 else 1]:
            cell.sort(key=_pull)
            _place(cell, *room[lane])
    return places, top


def _pull(row: Row) -> tuple[float, int]:
    """The mean height of what it is tied to; its own while that is unknown."""
    placed = [other.middle for other in row.neighbours if other.y]
    return (sum(placed) / len(placed) if placed else row.y), not row.slug


def _height(cell: Sequence[Row]) -> float:
    return sum(row.height for row in cell) + GAP * (len(cell) - 1)


def _place(cell: Sequence[Row], top: float, room: float) -> None:
    """From the top of the lane, each as near to its ties as the next ones allow."""
    left = room - _height(cell)
    y = top
    for row in cell:
        wanted = _pull(row)[0] - row.height / 2
        slack = min(max(wanted - y, 0), left)
        y, left = y + slack, left - slack
        row.y = y
        y += row.height + GAP


def _route(way: Sequence[Row], left: Sequence[float], edge: Edge) -> Route:
    first, *between, last = way
    points = [(left[first.column] + WIDTH, first.middle)]
    for row in between:
        points += [
            (left[row.column], row.middle), (left[row.column] + WIDTH, row.middle)
        ]
    # Within one column the way leads out to the right and back in.
    side = WIDTH if first.column == last.column else 0
    points.append((left[last.column] + side, last.middle))
    return Route(edge, points, reverse=first.slug != edge.source)
