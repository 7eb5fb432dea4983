"""The map as an SVG, ready for its template: places, paths, what belongs together."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap

from kb.catalogue.library import Library
from kb.catalogue.papers import Paper
from kb.catalogue.parts import PARTS
from kb.connections.graph import Edge, edges
from kb.connections.layout import HEIGHT, WIDTH, Box, Layout, Route, lay_out

LETTERS = 17  # that fit into a box
BULGE = 36  # of a line between papers of one column


@dataclass(frozen=True)
class Line:
    """A drawn edge. d: the path, from left to right."""

    edge: Edge
    d: str
    reverse: bool  # it ends where it is drawn from


@dataclass(frozen=True)
class Node:
    """A paper on the map, with the lines that end at it and the boxes they lead to."""

    paper: Paper
    box: Box
    label: str
    lines: list[Line]
    neighbours: list[Box]


@dataclass(frozen=True)
class Drawing:
    """lanes: (lines of its name, top). lines: each once. nodes: in reading order."""

    width: float
    height: float
    box_width: int
    box_height: int
    lanes: list[tuple[list[str], float]]
    lines: list[Line]
    nodes: list[Node]


def draw(shelves: Library) -> Drawing:
    """Every entry of ours; a reader's notes have no code and build on nothing."""
    papers = {slug: p for slug, p in shelves.papers.items() if not p.is_note}
    found = [e for e in edges(shelves) if e.source in papers and e.target in papers]
    layout = lay_out({slug: paper.part for slug, paper in papers.items()}, found)
    lines = [Line(route.edge, path(route), route.reverse) for route in layout.routes]
    nodes = [_node(paper, layout, lines) for paper in papers.values()]
    # The keyboard goes through the map as the eye does: by column, from the top.
    nodes.sort(key=lambda node: (node.box.x, node.box.y))
    lanes = [(wrap(PARTS[lane.part], LETTERS), lane.y) for lane in layout.lanes]
    return Drawing(
        layout.width, layout.height, WIDTH, HEIGHT, lanes, lines, nodes
    )


def _node(paper: Paper, layout: Layout, lines: list[Line]) -> Node:
    own = [li for li in lines if paper.slug in (li.edge.source, li.edge.target)]
    ends = {slug for li in own for slug in (li.edge.source, li.edge.target)}
    others = [layout.boxes[slug] for slug in sorted(ends - {paper.slug})]
    name = paper.short
    label = name if len(name) <= LETTERS else f"{name[: LETTERS - 1].rstrip()}…"
    return Node(paper, layout.boxes[paper.slug], label, own, others)


def path(route: Route) -> str:
    """Curves between columns, straight lines through them."""
    (x, y), *rest = route.points
    d = f"M{x:g} {y:g}"
    for step, (to_x, to_y) in enumerate(rest):
        if step % 2:
            d += f"H{to_x:g}"
        else:
            middle = (x + to_x) / 2 if to_x != x else x + BULGE
            d += f"C{middle:g} {y:g} {middle:g} {to_y:g} {to_x:g} {to_y:g}"
        x, y = to_x, to_y
    return d
