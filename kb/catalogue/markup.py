"""Markdown to safe HTML: equations as MathML, links into the code beside the text."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from xml.etree import ElementTree as etree

import nh3
from markdown import Extension, Markdown
from markdown.treeprocessors import Treeprocessor

from kb.catalogue import figures, formulas, questions
from kb.catalogue.entries import RawSection
from kb.catalogue.equations import DisplayMath, InlineMath
from kb.catalogue.links import EntryLink, WikiLink
from kb.catalogue.sink import Sink

TAGS = nh3.ALLOWED_TAGS | formulas.TAGS | {"figure", "figcaption", "section"}
ATTRIBUTES = {
    "*": {"id", "class", "title", "lang"},
    "a": {"href", "data-lines"},
    "img": {"src", "alt", "width", "height", "loading"},
    "div": {"tabindex"},
    "figure": {"tabindex", "data-lines"},
    "th": {"colspan", "rowspan", "scope"},
    "td": {"colspan", "rowspan"},
    "ol": {"start"},
    "details": {"open"},
} | {tag: set(formulas.ATTRIBUTES) for tag in formulas.TAGS}

DEFINITION = re.compile(r"^ {0,3}\[[^\]^]+\]:\s*\S+")


def clean(dirty: str) -> str:
    """Only what a text needs: no scripts, styles, forms or frames."""
    return nh3.clean(
        dirty, tags=TAGS, attributes=ATTRIBUTES, link_rel=None,
        url_schemes={"http", "https", "mailto"},
    )


def render(sections: Iterable[RawSection], sink: Sink) -> list[str]:
    """Safe HTML of each section; equations, links and problems go into `sink`."""
    sections = list(sections)
    # Links of the form [text][name] may be defined anywhere in the file.
    lines = (line for s in sections for line in s.source.split("\n"))
    definitions = "\n".join(line for line in lines if DEFINITION.match(line))
    markdown = Markdown(
        extensions=["tables", "fenced_code", "sane_lists", EntryExtension(sink)]
    )
    pages = []
    for section in sections:
        sink.section = section
        safe = _convert(markdown, f"{section.source}\n\n{definitions}")
        pages.append(figures.insert(safe, sink.drawings))
    return pages


def _convert(markdown: Markdown, source: str) -> str:
    try:
        return clean(markdown.reset().convert(source))
    except RecursionError:  # hundreds of nested quotes or lists: show the text as it is
        return f"<pre>{html.escape(source)}</pre>"


class EntryExtension(Extension):
    """`$$ … $$ {code=…}`, `$…$`, and links to code, papers and figures."""

    def __init__(self, sink: Sink):
        super().__init__()
        self.sink = sink

    def extendMarkdown(self, md: Markdown) -> None:
        # The name is the library's. After indented code (80), before all other blocks.
        md.parser.blockprocessors.register(DisplayMath(md, self.sink), "equation", 79)
        inline = md.inlinePatterns
        # After code spans (190), before backslash escapes (180).
        inline.register(InlineMath(md, self.sink), "math", 185)
        inline.register(EntryLink(md, self.sink), "link", 160)
        inline.register(WikiLink(md, self.sink), "wikilink", 175)
        inline.register(figures.Figure(md, self.sink), "image_link", 150)
        md.ESCAPED_CHARS.append("$")
        trees = md.treeprocessors  # inline patterns have run at 20
        trees.register(figures.OwnParagraph(md), "figures", 2)
        trees.register(questions.Anchors(md, self.sink), "questions", 1)
        trees.register(ScrollingTables(md), "scrolling_tables", 0)


class ScrollingTables(Treeprocessor):
    """Wide tables scroll in a box of their own, by keyboard as well.

    A corner without words heads nothing, so it is a plain cell.
    """

    def run(self, root: etree.Element) -> None:
        for cell in list(root.iter("th")):
            if not len(cell) and not (cell.text or "").strip():
                cell.tag = "td"
        for parent in list(root.iter()):
            for position, child in enumerate(parent):
                if child.tag == "table":
                    box = etree.Element("div", {"class": "table", "tabindex": "0"})
                    box.append(child)
                    parent[position] = box
