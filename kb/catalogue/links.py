"""Markdown's part for links: into the code, to other entries, to figures."""

from __future__ import annotations

import html
import re
from urllib.parse import unquote
from xml.etree import ElementTree as etree

from markdown import Markdown
from markdown.inlinepatterns import (
    IMAGE_LINK_RE,
    LINK_RE,
    ImageInlineProcessor,
    InlineProcessor,
    LinkInlineProcessor,
)

from kb.catalogue.entries import slugify
from kb.catalogue.sink import REMEDY_CODE, Sink

OUTSIDE = ("http", "https", "mailto")
NOTE = re.compile(r"(?:[^#?]*/)?([^/#?]+)\.(?:md|qmd|markdown)(?:#.*)?$")


class EntryLink(LinkInlineProcessor):
    """Links; those into code may hold brackets, blanks and quotes."""

    def __init__(self, md: Markdown, sink: Sink):
        super().__init__(LINK_RE, md)
        self.sink = sink

    def getLink(self, data: str, index: int) -> tuple[str, str | None, int, bool]:
        if not data.startswith("(code:", index):
            return super().getLink(data, index)
        depth = 0
        for end in range(index, len(data)):
            depth += {"(": 1, ")": -1}.get(data[end], 0)
            if depth == 0:
                return data[index + 1 : end], None, end + 1, True
        return "", None, index, False

    def handleMatch(  # type: ignore[override]
        self, m: re.Match[str], data: str
    ) -> tuple[etree.Element | str | None, int | None, int | None]:
        link, start, end = super().handleMatch(m, data)
        if isinstance(link, etree.Element):
            self._resolve(link, html.unescape(link.get("href", "")))
        return link, start, end

    def _resolve(self, link: etree.Element, href: str) -> None:
        scheme, colon, rest = href.partition(":")
        if scheme == "code":
            self._to_code(link, rest)
        elif scheme == "paper":
            self._to_paper(link, rest)
        elif colon and scheme.isalpha() and scheme not in OUTSIDE:
            remedy = "links are code:, paper:, http:, https:, mailto: or #section"
            self._dead(link, href, f"unknown kind of link {scheme!r}", remedy)
        elif not colon and (note := NOTE.match(href)):
            self._to_paper(link, slugify(unquote(note[1]), "_"))

    def _to_code(self, link: etree.Element, target: str) -> None:
        lines = self.sink.around.lines(target)
        if not lines:
            self._dead(link, f"code:{target}", f"no code {target!r}", REMEDY_CODE)
            return
        self.sink.code_links.append((self.sink.section.id, lines))
        link.attrib.update(
            {"class": "to-code", "href": f"#L{lines.first}", "data-lines": str(lines)}
        )

    def _to_paper(self, link: etree.Element, slug: str) -> None:
        url = self.sink.around.paper_url(slug)
        if url:
            link.set("href", url)
        else:
            remedy = "name the slug of an entry, or leave the link out"
            self._dead(link, f"paper:{slug}", f"no entry {slug!r}", remedy)

    def _dead(
        self, link: etree.Element, needle: str, message: str, remedy: str
    ) -> None:
        self.sink.report(needle, message, remedy)
        link.tag = "span"
        link.attrib.clear()
        link.attrib.update({"class": "dead", "title": message})


class Figure(ImageInlineProcessor):
    """Pictures of `papers/figures/`; any other is named instead of shown."""

    def __init__(self, md: Markdown, sink: Sink):
        super().__init__(IMAGE_LINK_RE, md)
        self.sink = sink

    def handleMatch(  # type: ignore[override]
        self, m: re.Match[str], data: str
    ) -> tuple[etree.Element | str | None, int | None, int | None]:
        image, start, end = super().handleMatch(m, data)
        if isinstance(image, etree.Element):
            source = html.unescape(image.get("src", ""))
            url = self.sink.around.figure_url(source)
            if url:
                image.attrib.update({"src": url, "loading": "lazy"})
            else:
                self._missing(image, source)
        return image, start, end

    def _missing(self, image: etree.Element, source: str) -> None:
        self.sink.report(
            source, f"no figure {source!r}", "put the file into papers/figures/"
        )
        image.tag, image.text = "span", image.get("alt") or source
        image.attrib.clear()
        image.attrib.update({"class": "dead", "title": f"no figure {source}"})


class WikiLink(InlineProcessor):
    """Obsidian's `[[note]]` and `[[note#part|text]]`; only text if there is no note."""

    RULE = r"\[\[([^\]\[|#\n]+)(?:#[^\]|\n]*)?(?:\|([^\]\n]+))?\]\]"

    def __init__(self, md: Markdown, sink: Sink):
        super().__init__(self.RULE, md)
        self.sink = sink

    def handleMatch(  # type: ignore[override]
        self, m: re.Match[str], data: str
    ) -> tuple[etree.Element, int, int]:
        url = self.sink.around.paper_url(slugify(m[1], "_"))
        link = etree.Element("a", {"href": url}) if url else etree.Element("span")
        link.text = m[2] or m[1]
        return link, m.start(0), m.end(0)
