"""One file from its bytes to passages with their papers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kb.exchange.notes import (
    book,
    chapters,
    lecture,
    passages,
    post,
    slides,
    source,
    topics,
)
from kb.exchange.notes.names import Names
from kb.exchange.notes.passages import Passage
from kb.exchange.notes.placed import Placed
from kb.exchange.notes.source import Source


@dataclass
class Reading:
    """A file that was read. kind: book, post, slides or lecture."""

    source: Source
    kind: str
    meta: dict[str, object] = field(default_factory=dict)
    placed: list[Placed] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.source.path


def read(path: Path, names: Names) -> Reading:
    """Reads a file and places its passages; papers it is first to name join `names`.

    Raises Unreadable with the remedy.
    """
    found = source.read(path)
    end, meta = passages.front_matter(found.lines)
    reading = Reading(found, _kind(found.lines, meta), meta)
    inside = _passages(reading, end + 1, names)
    if end:
        front = found.lines[1 : end - 1]
        inside.insert(0, Passage(1, "", 0, 2, front, is_front_matter=True))
    if reading.kind in ("book", "post"):
        title = str(meta.get("title", ""))
        reading.placed = chapters.assign(inside, names, title)
    else:
        reading.placed = topics.assign(inside, names)
    return reading


def _kind(lines: list[str], meta: dict[str, object]) -> str:
    if slides.is_slides(lines, meta):
        return "slides"
    if post.is_post(lines):
        return "post"
    return "book" if book.is_book(lines) else "lecture"


def _passages(reading: Reading, start: int, names: Names) -> list[Passage]:
    lines = reading.source.lines
    if reading.kind == "slides":
        return slides.split(lines, start)
    if reading.kind == "post":
        return post.split(lines, start)
    if reading.kind == "book":
        return book.split(lines, start)
    return lecture.split(lines, start, lambda line: topics.names_topic(line, names))
