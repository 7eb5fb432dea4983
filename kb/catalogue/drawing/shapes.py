"""The SVG of one node or one arrow. Looks are classes; see static/drawing.css."""

from __future__ import annotations

from xml.etree import ElementTree as etree

from kb.catalogue.drawing.description import Arrow
from kb.catalogue.drawing.layout import BAR, CELL, LINE, Place
from kb.catalogue.drawing.routes import Point, direction, middle, path

CELLS = {"#": "full", "+": "half", "-": "light", ".": "empty", "x": "hidden"}
CORNER, PILL = 6.0, 17.0  # radius of corners, of an operation's ends
HEAD = 6.0  # length of an arrow's head


def node(parent: etree.Element, place: Place) -> None:
    """The body of a node and its words."""
    kind = place.node.kind
    if kind == "grid":
        _grid(parent, place)
    elif kind == "bars":
        _bars(parent, place)
    elif kind != "note":
        _rect(
            parent, kind, place.left, place.top, place.width, place.height,
            PILL if kind == "op" else CORNER,
        )
    lines = place.node.lines
    first = place.bottom + LINE if place.below else (
        place.y - (len(lines) - 1) * LINE / 2 + LINE * 0.28
    )
    label = "label" if place.below else f"on-{kind}"
    for number, line in enumerate(lines):
        _text(parent, label, place.x, first + number * LINE, line)


def _grid(parent: etree.Element, place: Place) -> None:
    """All cells of one kind are one path: a grid of patches would be long otherwise."""
    squares, strokes = dict[str, str](), ""
    for y, row in enumerate(place.node.rows):
        for x, cell in enumerate(row):
            left, top = place.left + x * CELL, place.top + y * CELL
            square = f"M{left:.1f} {top:.1f}h{CELL:g}v{CELL:g}h-{CELL:g}z"
            squares[cell] = squares.get(cell, "") + square
            if cell == "x":
                strokes += f"M{left:.1f} {top + CELL:.1f}l{CELL:g} -{CELL:g}"
    for cell, shape in squares.items():
        kind = f"cell {CELLS[cell]}"
        etree.SubElement(parent, "path", {"class": kind, "d": shape})
    if strokes:
        etree.SubElement(parent, "path", {"class": "hatch", "d": strokes})


def _bars(parent: etree.Element, place: Place) -> None:
    for number, value in enumerate(place.node.values):
        high = max(value * place.height, 1.5)
        left = place.left + number * BAR + 1.5
        _rect(parent, "pillar", left, place.bottom - high, BAR - 3, high)
    floor = f"M{place.left:.1f} {place.bottom:.1f}h{place.width:.1f}"
    etree.SubElement(parent, "path", {"class": "floor", "d": floor})


def arrow(parent: etree.Element, shown: Arrow, way: list[Point]) -> None:
    """The line, its heads, the bar of a stopped gradient, and its words."""
    group = etree.SubElement(parent, "g", {"class": f"arrow {shown.kind}"})
    etree.SubElement(group, "path", {"class": "way", "d": path(way)})
    (x, y), (u, v) = middle(way)
    if shown.kind == "pull":  # two heads that face each other
        _head(group, (x - 2 * u, y - 2 * v), (u, v))
        _head(group, (x + 2 * u, y + 2 * v), (-u, -v))
    else:
        _head(group, way[-1], direction(way[-2], way[-1]))
    if shown.kind == "push":
        _head(group, way[0], direction(way[1], way[0]))
    if shown.kind == "stop":
        _bar(group, (x, y), (u, v))
    if shown.text:
        away = 12 if shown.kind == "stop" else 7
        if abs(u) > abs(v):
            _text(group, "on-arrow", x, y - away, shown.text)
        else:
            _text(group, "on-arrow beside", x + away, y + 4, shown.text)


def _bar(parent: etree.Element, middle: Point, along: Point) -> None:
    """Two strokes across a line, a little before its middle: clear of the head."""
    (x, y), (u, v) = middle, along
    for offset in (-2.5 - HEAD / 2, 2.5 - HEAD / 2):
        x1, y1 = x + offset * u, y + offset * v
        shape = (
            f"M{x1 - 7 * v - 3 * u:.1f} {y1 - 7 * u - 3 * v:.1f}"
            f"L{x1 + 7 * v + 3 * u:.1f} {y1 + 7 * u + 3 * v:.1f}"
        )
        etree.SubElement(parent, "path", {"class": "stopped", "d": shape})


def _head(parent: etree.Element, tip: Point, along: Point) -> None:
    (x, y), (u, v) = tip, along
    corners = (
        (x, y),
        (x - HEAD * u - HEAD / 2 * v, y - HEAD * v + HEAD / 2 * u),
        (x - HEAD * u + HEAD / 2 * v, y - HEAD * v - HEAD / 2 * u),
    )
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
    etree.SubElement(parent, "polygon", {"class": "head", "points": points})


def _rect(
    parent: etree.Element, kind: str, left: float, top: float, width: float,
    height: float, rounded: float = 0.0,
) -> None:
    box = {"x": left, "y": top, "width": width, "height": height, "rx": rounded}
    numbers = {key: f"{value:.1f}" for key, value in box.items()}
    etree.SubElement(parent, "rect", {"class": kind, **numbers})


def _text(parent: etree.Element, kind: str, x: float, y: float, words: str) -> None:
    where = {"class": kind, "x": f"{x:.1f}", "y": f"{y:.1f}"}
    etree.SubElement(parent, "text", where).text = words
