"""Markdown's part for links: into the code, to entries, to the site's other pages."""

from __future__ import annotations

import html
import re
from urllib.parse import unquote
from xml.etree import ElementTree as etree

from markdown import Markdown
from markdown.inlinepatterns import (
    LINK_RE,
    InlineProcessor,
    LinkInlineProcessor,
)

from kb.catalogue.entries import slugify
from kb.catalogue.sink import Sink

OUTSIDE = ("http", "https", "mailto")
PAGES = {  # kinds of links to the site's own pages, and what their remedy is
    "paper": "name the slug of an entry, or leave the link out",
    "concept": "name a file of papers/concepts/ without its .md",
    "compare": "name two entries: `compare:byol,simsiam`",
    "results": "name the slug of an entry",
}
FORMULA = re.compile(r"\$[^$]+\$")
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
        elif scheme in PAGES:
            self._to_page(link, scheme, rest)
        elif colon and scheme.isalpha() and scheme not in OUTSIDE:
            kinds = ", ".join(f"{kind}:" for kind in ("code", *PAGES, *OUTSIDE))
            remedy = f"links are {kinds} or #section"
            message = f"unknown kind of link {scheme!r}"
            self.sink.report(href, message, remedy)
            _dead(link, message)
        elif not colon and (note := NOTE.match(href)):
            self._to_page(link, "paper", slugify(unquote(note[1]), "_"))

    def _to_code(self, link: etree.Element, target: str) -> None:
        """Lines beside the text, or (`slug/Symbol`) those of another paper."""
        if elsewhere := self.sink.around.code_url(target):
            link.attrib.update({"class": "to-code", "href": elsewhere})
            return
        lines = self.sink.around.lines(target)
        if not lines:
            message = f"no code {target!r}"
            self.sink.report_code(f"code:{target}", message, target)
            _dead(link, message)
            return
        self.sink.code_links.append((self.sink.section.id, lines))
        link.attrib.update(
            {"class": "to-code", "href": f"#L{lines.first}", "data-lines": str(lines)}
        )
        if FORMULA.fullmatch(link.text or ""):
            link.set("title", target)  # a formula may not be read out as a name

    def _to_page(self, link: etree.Element, kind: str, name: str) -> None:
        url = self.sink.around.page_url(kind, name)
        if url:
            link.set("href", url)
        else:
            nowhere = "no entry" if kind == "paper" else f"no page {kind}"
            message = f"{nowhere} {name!r}"
            self.sink.report(f"{kind}:{name}", message, PAGES[kind])
            _dead(link, message)


def _dead(link: etree.Element, message: str) -> None:
    link.tag = "span"
    link.attrib.clear()
    link.attrib.update({"class": "dead", "title": message})


class WikiLink(InlineProcessor):
    """Obsidian's `[[note]]` and `[[note#part|text]]`; only text if there is no note."""

    RULE = r"\[\[([^\]\[|#\n]+)(?:#[^\]|\n]*)?(?:\|([^\]\n]+))?\]\]"

    def __init__(self, md: Markdown, sink: Sink):
        super().__init__(self.RULE, md)
        self.sink = sink

    def handleMatch(  # type: ignore[override]
        self, m: re.Match[str], data: str
    ) -> tuple[etree.Element, int, int]:
        url = self.sink.around.page_url("paper", slugify(m[1], "_"))
        link = etree.Element("a", {"href": url}) if url else etree.Element("span")
        link.text = m[2] or m[1]
        return link, m.start(0), m.end(0)
