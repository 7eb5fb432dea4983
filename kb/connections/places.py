"""Where the papers use an idea: found in code and texts, never listed by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from textwrap import dedent

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from kb.catalogue import listing
from kb.catalogue.landmarks import Landmark, Lines
from kb.catalogue.library import Library
from kb.catalogue.papers import Paper, Section
from kb.catalogue.plain import plain
from kb.catalogue.questions import START
from kb.catalogue.sink import Equation
from kb.connections.concepts import Concept
from kb.connections.shelf import Shelf, shelf

SHOWN_LINES = 4
BLOCK = re.compile(r"(?=<(?:p|li|tr|figure)\b)")
CODE_LINK = re.compile(r'<a [^>]*\bdata-lines="(\d+)-(\d+)"')


@dataclass(frozen=True)
class CodePlace:
    """A landmark that is the idea. html: its first lines, highlighted."""

    landmark: Landmark
    html: SafeString
    more: int  # lines that are not shown


@dataclass(frozen=True)
class TextPlace:
    """A section, or a question in one, that speaks of the idea."""

    title: str
    anchor: str


@dataclass
class Use:
    """All that one paper has to do with an idea."""

    paper: Paper
    words: list[str] = field(default_factory=list)  # its tags and aliases that say so
    code: list[CodePlace] = field(default_factory=list)
    texts: list[TextPlace] = field(default_factory=list)
    equations: list[Equation] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.code) + len(self.texts) + len(self.equations)

    def __bool__(self) -> bool:
        return bool(self.count or self.words)


def uses(concept: Concept, shelves: Library) -> list[Use]:
    """The papers that use the idea, in the order of the shelves."""
    return _uses(concept, shelf(shelves))


@lru_cache(maxsize=64)
def _uses(concept: Concept, where: Shelf) -> list[Use]:
    found = (use(concept, paper) for paper in where.library.papers.values())
    return [one for one in found if one]


def use(concept: Concept, paper: Paper) -> Use:
    """What one paper has of it; empty, and then false, where it has nothing."""
    marks = landmarks(concept, paper)
    lines = {Lines(mark.first, mark.last) for mark in marks}
    words = [word for word in (*paper.tags, *paper.aliases) if concept.means(word)]
    return Use(
        paper, words, [_code(paper, mark) for mark in marks],
        list(_texts(concept, paper, lines)),
        [e for e in paper.equations if Lines(e.first, e.last) in lines],
    )


def landmarks(concept: Concept, paper: Paper) -> list[Landmark]:
    """The landmarks of its module that are the idea, each place once."""
    marks = paper.module.landmarks if paper.module else []
    return [m for m in marks if concept.fits(paper.slug, m.symbol, m.name)]


def _code(paper: Paper, mark: Landmark) -> CodePlace:
    assert paper.module
    whole = paper.module.lines[mark.first - 1 : mark.last]
    shown = dedent("\n".join(whole[:SHOWN_LINES]))
    html = "\n".join(listing.highlight(shown))
    return CodePlace(
        mark, mark_safe(html),  # noqa: S308  every token is escaped
        max(len(whole) - SHOWN_LINES, 0),
    )


def _texts(concept: Concept, paper: Paper, lines: set[Lines]) -> Iterator[TextPlace]:
    """Sections and questions with a link to the idea's page or to its code."""
    url = f'href="{reverse("connections:concept", args=[concept.name])}"'
    for section in paper.sections:
        spoken = dict.fromkeys(
            place for place, html in _blocks(section)
            if url in html or any(link in lines for link in _links(html))
        )
        yield from spoken


def _blocks(section: Section) -> Iterator[tuple[TextPlace, str]]:
    """Each paragraph, item and row with the place that a reader is sent to."""
    place = TextPlace(section.title, section.id)
    for html in BLOCK.split(section.html):
        if question := START.match(html):
            place = TextPlace(plain(question[2]), question[1])
        yield place, html


def _links(html: str) -> Iterator[Lines]:
    return (Lines(int(a), int(b)) for a, b in CODE_LINK.findall(html))
