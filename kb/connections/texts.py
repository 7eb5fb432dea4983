"""A concept's text as HTML."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from django.conf import settings
from django.utils.safestring import SafeString, mark_safe

from kb.catalogue import markup
from kb.catalogue.around import Around
from kb.catalogue.library import Library
from kb.catalogue.plain import plain
from kb.catalogue.sink import Sink
from kb.connections.concepts import Concept
from kb.connections.shelf import Shelf, shelf

Report = Callable[[int, str, str], None]
PARAGRAPH = re.compile(r"<p>(.*?)</p>", re.DOTALL)


def lesson(concept: Concept, shelves: Library) -> SafeString:
    """Safe HTML, made once."""
    return _lesson(concept, shelf(shelves))


@lru_cache(maxsize=64)
def _lesson(concept: Concept, where: Shelf) -> SafeString:
    return render(concept, where.library, lambda *_: None)


def render(concept: Concept, shelves: Library, report: Report) -> SafeString:
    """Safe HTML; what is wrong goes to `report` as line, message and remedy."""
    around = Around(shelves.papers, settings.PAPERS_DIR, None, report)
    sections = concept.entry.sections
    html = "\n".join(markup.render(sections, Sink(around, must_link=False)))
    return mark_safe(html)  # noqa: S308  the catalogue's Markdown is sanitised


def gist(html: str) -> str:
    """The words of a text's first paragraph."""
    found = PARAGRAPH.search(html)
    return plain(found[1]) if found else ""
