"""Markdown's part for figures: drawings inside the page, other pictures by address."""

from __future__ import annotations

import html
import re
from xml.etree import ElementTree as etree

from markdown import Markdown
from markdown.inlinepatterns import IMAGE_LINK_RE, ImageInlineProcessor
from markdown.treeprocessors import Treeprocessor

from kb.catalogue.drawing import svg
from kb.catalogue.drawing.description import Description
from kb.catalogue.landmarks import Lines
from kb.catalogue.sink import Drawing, Sink


class Figure(ImageInlineProcessor):
    """Figures of `papers/figures/`; any other picture is named instead of shown."""

    def __init__(self, md: Markdown, sink: Sink):
        super().__init__(IMAGE_LINK_RE, md)
        self.sink = sink

    def handleMatch(  # type: ignore[override]
        self, m: re.Match[str], data: str
    ) -> tuple[etree.Element | str | None, int | None, int | None]:
        image, start, end = super().handleMatch(m, data)
        if isinstance(image, etree.Element):
            source = html.unescape(image.get("src", ""))
            around = self.sink.around
            if description := around.drawing(source):
                return self._drawn(image, source, description), start, end
            if url := around.figure_url(source):
                image.attrib.update({"src": url, "loading": "lazy"})
            else:
                self._missing(image, source)
        return image, start, end

    def _drawn(
        self, image: etree.Element, source: str, description: Description
    ) -> etree.Element:
        """A figure with a mark in it, which the drawing replaces after cleaning."""
        def find(target: str) -> Lines | None:
            lines = self.sink.around.lines(target)
            if lines:
                self.sink.code_links.append((self.sink.section.id, lines))
            else:
                self.sink.report_code(source, f"no code {target!r} in it", target)
            return lines

        self.sink.drawings.append(svg.inline(description, find))
        number = len(self.sink.drawings)
        caption = image.get("alt") or ""
        drawing = Drawing(number, description, caption, self.sink.section.id)
        self.sink.figures.append(drawing)
        figure = etree.Element(
            "figure", {"class": "drawn", "id": drawing.id, "tabindex": "0"}
        )
        figure.text = mark(number)
        etree.SubElement(figure, "figcaption").text = caption
        return figure

    def _missing(self, image: etree.Element, source: str) -> None:
        remedy = "put it into papers/figures/, or its .toml and run manage.py draw"
        self.sink.report(source, f"no figure {source!r}", remedy)
        image.tag, image.text = "span", image.get("alt") or source
        image.attrib.clear()
        image.attrib.update({"class": "dead", "title": f"no figure {source}"})


class OwnParagraph(Treeprocessor):
    """A drawing that is a paragraph of its own needs no paragraph around it."""

    def run(self, root: etree.Element) -> None:
        for paragraph in root.iter("p"):
            inner = list(paragraph)
            alone = [child.tag for child in inner] == ["figure"]
            if alone and not (paragraph.text or inner[0].tail or "").strip():
                figure = inner[0]
                figure.tail = paragraph.tail
                paragraph.clear()
                paragraph.tag, paragraph.text = "figure", figure.text
                paragraph.attrib.update(figure.attrib)
                paragraph.extend(list(figure))
                paragraph.tail = figure.tail


def mark(number: int) -> str:
    """Stands for a drawing while the page is cleaned, which SVG would not survive."""
    return f"⟦drawing {number}⟧"


def insert(page: str, drawings: list[str]) -> str:
    """The page with its drawings in the place of their marks."""
    for number, drawing in enumerate(drawings, start=1):
        page = page.replace(mark(number), drawing, 1)
    return page
