"""A description as SVG: inside a page, where its boxes are links, or as a file."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from xml.etree import ElementTree as etree

from kb.catalogue.drawing import shapes
from kb.catalogue.drawing.description import Description
from kb.catalogue.drawing.layout import MARGIN, lay_out
from kb.catalogue.drawing.routes import route
from kb.catalogue.landmarks import Lines

Find = Callable[[str], Lines | None]
SPACE = "http://www.w3.org/2000/svg"
LIGHT = re.compile(r"(?ms)^:root \{.*?^\}")
DARK = re.compile(r"(?ms)^@media screen and \(prefers-color-scheme: dark\).*?^\}")


def inline(description: Description, find: Find) -> str:
    """SVG for a page; a box whose code `find` knows is a link to its lines."""
    root = _draw(description, find)
    root.set("role", "group")
    root.set("aria-label", description.alt)
    return etree.tostring(root, encoding="unicode")


def standalone(description: Description, static: Path) -> str:
    """SVG as a file of its own, with the site's colours in light and dark.

    static: the folder of site.css, whose colours it takes, and drawing.css.
    """
    root = _draw(description, lambda target: None)
    root.attrib.update({"xmlns": SPACE, "role": "img"})
    told = {"title": description.title, "desc": description.alt, "style": style(static)}
    for position, (tag, text) in enumerate(told.items()):
        element = etree.Element(tag)
        element.text = text
        root.insert(position, element)
    etree.indent(root, "")
    return etree.tostring(root, encoding="unicode") + "\n"


def style(static: Path) -> str:
    """drawing.css and the colours it uses, out of site.css."""
    looks = (static / "drawing.css").read_text(encoding="utf-8")
    site = (static / "site.css").read_text(encoding="utf-8")
    used = set(re.findall(r"var\((--[\w-]+)\)", looks))

    def colours(rule: re.Pattern[str]) -> str:
        found = rule.search(site)
        tokens = re.findall(r"(--[\w-]+):\s*([^;]+);", found[0]) if found else []
        return " ".join(f"{name}: {value};" for name, value in tokens if name in used)

    dark = f"@media (prefers-color-scheme: dark) {{ :root {{ {colours(DARK)} }} }}"
    return f":root {{ {colours(LIGHT)} }}\n{dark}\n{looks}"


def _draw(description: Description, find: Find) -> etree.Element:
    layout = lay_out(description)
    ways = [
        route(layout, layout.places[arrow.start], layout.places[arrow.end])
        for arrow in description.arrows
    ]
    root = etree.Element("svg", {"class": "drawing"})
    for arrow, way in zip(description.arrows, ways, strict=True):
        shapes.arrow(root, arrow, way)
    for place in layout.places.values():
        node = place.node
        lines = find(node.code) if node.code else None
        group = etree.SubElement(root, "a" if lines else "g", {"class": "node"})
        if lines:
            group.attrib.update({
                "href": f"#L{lines.first}", "data-lines": str(lines),
                "aria-label": f"{' '.join(node.lines) or node.id}: {node.code}",
            })
        shapes.node(group, place)
    corners = list(chain.from_iterable(ways))
    left = min([0, *(x - MARGIN for x, _ in corners)])
    top = min([0, *(y - MARGIN for _, y in corners)])
    right = max([layout.width, *(x + MARGIN for x, _ in corners)])
    bottom = max([layout.height, *(y + MARGIN for _, y in corners)])
    root.set("viewBox", f"{left:.0f} {top:.0f} {right - left:.0f} {bottom - top:.0f}")
    root.set("width", f"{right - left:.0f}")
    root.set("height", f"{bottom - top:.0f}")
    return root
