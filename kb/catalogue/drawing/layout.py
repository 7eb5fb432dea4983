"""Where everything of a drawing stands, in units of one CSS pixel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from kb.catalogue.drawing.description import Description, Node

LETTER, LINE = 7.8, 17.0      # width and height of a character of the drawing's type
THIN, BROAD = "fijlrt.,:;'|()[] ", "mwMW…"
CELL, BAR, HIGH = 13.0, 12.0, 44.0
MARGIN = 14.0
GAP_X, GAP_Y = 30.0, 32.0


@dataclass(frozen=True)
class Place:
    """A node's body, by its centre; a label may hang below it.

    below: height of the label under the body
    wide: width of body and label together
    """

    node: Node
    x: float
    y: float
    width: float
    height: float
    below: float
    wide: float

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height / 2

    def crosses(self, x1: float, y1: float, x2: float, y2: float) -> bool:
        """Whether a horizontal or vertical line touches body or label."""
        half = max(self.wide / 2 if self.below else 0, self.width / 2) + 3
        low, high = sorted((x1, x2))
        up, down = sorted((y1, y2))
        return (
            low < self.x + half and high > self.x - half
            and up < self.bottom + self.below + 3 and down > self.top - 3
        )


@dataclass(frozen=True)
class Layout:
    """All places, and the size of the whole."""

    places: dict[str, Place]
    width: float
    height: float


def words_wide(lines: Iterable[str]) -> float:
    return max(map(_line_wide, lines), default=0)


def _line_wide(line: str) -> float:
    """Not less than in any common typeface: readers have not all the same."""
    thin = sum(letter in THIN for letter in line)
    broad = sum(letter in BROAD for letter in line)
    return LETTER * (len(line) - 0.42 * thin + 0.45 * broad)


def size(node: Node) -> tuple[float, float, float]:
    """Width and height of the body, height of the label below it."""
    label = len(node.lines) * LINE
    if node.kind == "grid":
        return len(node.rows[0]) * CELL, len(node.rows) * CELL, label
    if node.kind == "bars":
        return len(node.values) * BAR, HIGH, label
    width = max(words_wide(node.lines) + 18, 44)
    return width, max(label + 16, 34), 0.0


def lay_out(description: Description) -> Layout:
    """Columns are as wide and rows as high as their largest node, wherever it is."""
    nodes = description.nodes
    sizes = {node.id: size(node) for node in nodes}
    wide = {n.id: max(sizes[n.id][0], words_wide(n.lines)) for n in nodes}
    column, width = _axis(
        nodes, 0, lambda n: (wide[n.id] / 2, wide[n.id] / 2), _beside(description)
    )
    row, height = _axis(
        nodes, 1,
        lambda n: (sizes[n.id][1] / 2, sizes[n.id][1] / 2 + sizes[n.id][2]),
        _below(description),
    )
    places = {
        n.id: Place(n, column(n.at[0]), row(n.at[1]), *sizes[n.id], wide[n.id])
        for n in nodes
    }
    right = max(place.x + place.wide / 2 for place in places.values()) + MARGIN
    low = max(place.bottom + place.below for place in places.values()) + MARGIN
    return Layout(places, max(width, right), max(height, low))


def _beside(description: Description) -> Mapping[int, float]:
    """Room behind each column: more where the words of an arrow stand."""
    columns = {node.id: node.at[0] for node in description.nodes}
    gaps: dict[int, float] = defaultdict(lambda: GAP_X)
    for arrow in description.arrows:
        left, right = sorted((columns[arrow.start], columns[arrow.end]))
        if arrow.text and 0 < right - left <= 1:
            needed = words_wide([arrow.text]) + 22
            gaps[int(left)] = max(gaps[int(left)], needed)
    return gaps


def _below(description: Description) -> Mapping[int, float]:
    """Room under each row: more where an arrow down or up has words or a bar."""
    places = {node.id: node.at for node in description.nodes}
    gaps: dict[int, float] = defaultdict(lambda: GAP_Y)
    for arrow in description.arrows:
        (x, y), (u, v) = places[arrow.start], places[arrow.end]
        if x == u and 0 < abs(y - v) <= 1 and (arrow.text or arrow.kind == "stop"):
            gaps[int(min(y, v))] = GAP_Y + 10
    return gaps


def _axis(
    nodes: Sequence[Node], axis: int, reach: Callable[[Node], tuple[float, float]],
    gaps: Mapping[int, float],
) -> tuple[Callable[[float], float], float]:
    """From a grid position to a coordinate, and the whole length.

    reach: how far a node stretches before and behind its centre.
    gaps: room behind each line of the grid.
    """
    before, behind = dict[int, float](), dict[int, float]()
    first = min(int(node.at[axis]) for node in nodes)
    last = max(ceil(node.at[axis]) for node in nodes)
    for node in nodes:
        at, (back, front) = node.at[axis], reach(node)
        if at == int(at):
            before[int(at)] = max(before.get(int(at), 0), back)
            behind[int(at)] = max(behind.get(int(at), 0), front)
        else:  # between two lines of the grid: both make room for half of it
            half = gaps[int(at)] / 2
            for line, (b, f) in {int(at): (0, back), int(at) + 1: (front, 0)}.items():
                before[line] = max(before.get(line, 0), b - half)
                behind[line] = max(behind.get(line, 0), f - half)
    centres, edge = dict[int, float](), MARGIN
    for line in range(first, last + 1):
        centres[line] = edge + before.get(line, 0)
        edge = centres[line] + behind.get(line, 0) + gaps[line]

    def centre(at: float) -> float:
        low = int(at)
        high = min(low + 1, last)
        return centres[low] + (at - low) * (centres[high] - centres[low])

    return centre, edge - gaps[last] + MARGIN
