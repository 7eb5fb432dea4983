"""Questions of an entry: each has an address, and is found by search as one place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as etree

from markdown import Markdown
from markdown.treeprocessors import Treeprocessor

from kb.catalogue.entries import slugify
from kb.catalogue.plain import plain
from kb.catalogue.sink import Sink

START = re.compile(r'<p id="(q-[^"]+)"><strong><a [^>]*>(.*?)</a></strong>')
STASHED = re.compile("\x02[^\x03]*\x03")  # Markdown's marks for finished HTML: formulas
LONGEST = 60  # characters of an address


@dataclass(frozen=True)
class Question:
    """`**Question?** Answer.` and the paragraphs up to the next; words only."""

    id: str
    title: str
    text: str
    section_id: str


class Anchors(Treeprocessor):
    """Gives a paragraph that starts with a question in bold its address."""

    def __init__(self, md: Markdown, sink: Sink):
        super().__init__(md)
        self.sink = sink

    def run(self, root: etree.Element) -> None:
        for paragraph in root.findall("p"):
            first = next(iter(paragraph), None)
            if first is None or first.tag != "strong" or paragraph.text:
                continue
            words = STASHED.sub("", "".join(first.itertext())).strip()
            if words.endswith("?"):
                self._anchor(paragraph, first, words)

    def _anchor(
        self, paragraph: etree.Element, strong: etree.Element, words: str
    ) -> None:
        stem = f"q-{slugify(words, '-')}"
        if len(stem) > LONGEST:  # whole words: an address is read by people
            stem = stem[: LONGEST + 1].rpartition("-")[0]
        taken = sum(known == stem for known in self.sink.questions)
        self.sink.questions.append(stem)
        name = f"{stem}-{taken + 1}" if taken else stem
        paragraph.set("id", name)
        link = etree.Element("a", {"class": "here", "href": f"#{name}"})
        link.text, strong.text = strong.text, None
        link.extend(list(strong))
        for child in list(strong):
            strong.remove(child)
        strong.append(link)


def split(html: str, section_id: str) -> tuple[str, list[Question]]:
    """HTML in front of the first question, and the questions behind it.

    html: safe HTML of one section, as `markup.render` gives it.
    """
    starts = list(START.finditer(html))
    if not starts:
        return html, []
    return html[: starts[0].start()], list(_questions(html, starts, section_id))


def _questions(
    html: str, starts: list[re.Match[str]], section_id: str
) -> Iterator[Question]:
    ends = [*(start.start() for start in starts[1:]), len(html)]
    for start, end in zip(starts, ends, strict=True):
        answer = html[start.end() : end]
        yield Question(start[1], plain(start[2]), plain(answer), section_id)
