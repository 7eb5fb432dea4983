"""A file of notes cut at its headings, with no line lost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import yaml

FENCE = re.compile(r"^\s{0,3}(`{3,}|~{3,})")
ATX = re.compile(r"^(#{1,6})\s+(.+?)\s*#*\s*$")
RULE = re.compile(r"^-{3,}\s*$")


@dataclass(frozen=True)
class Heading:
    """Lines first to last say `text`; without text they only divide."""

    first: int
    last: int
    text: str
    level: int = 2


@dataclass
class Passage:
    """Lines first to last of a file: a heading, where there is one, and what follows.

    chapter: number of the chapter it belongs to; 0 for what stands outside of any.
    """

    first: int
    heading: str
    level: int
    body_first: int
    body: list[str] = field(default_factory=list)
    chapter: int = 0
    is_front_matter: bool = False

    @property
    def last(self) -> int:
        return self.body_first + len(self.body) - 1

    @property
    def text(self) -> str:
        return "\n".join([self.heading, *self.body])

    @property
    def is_blank(self) -> bool:
        return not self.text.strip()

    def split(self, numbers: Sequence[int]) -> list[Passage]:
        """The same lines as several passages: each of these lines on its own."""
        alone, pieces = set(numbers), [self._piece(self.body_first, with_heading=True)]
        for number, line in enumerate(self.body, start=self.body_first):
            before = pieces[-1].last
            if number in alone or before in alone:
                pieces.append(self._piece(number, with_heading=False))
            pieces[-1].body.append(line)
        return [piece for piece in pieces if not piece.is_blank]

    def _piece(self, number: int, *, with_heading: bool) -> Passage:
        if with_heading:
            first, heading, level = self.first, self.heading, self.level
        else:
            first, heading, level = number, "", 0
        return Passage(first, heading, level, number, chapter=self.chapter)


def cut(
    lines: Sequence[str], start: int, headings: Sequence[Heading]
) -> list[Passage]:
    """From line `start` on a passage for each heading, one for what precedes them."""
    found = [Passage(start, "", 0, start)]
    starts = {heading.first: heading for heading in headings}
    skipped = 0
    for number, line in enumerate(lines[start - 1 :], start=start):
        if heading := starts.get(number):
            skipped = heading.last
            found.append(
                Passage(number, heading.text, heading.level, heading.last + 1)
            )
        elif number > skipped:
            found[-1].body.append(line)
    return [passage for passage in found if not passage.is_blank]


def unfenced(lines: Sequence[str], start: int = 1) -> Iterator[tuple[int, str]]:
    """The lines from number `start` on that are not code, with their numbers."""
    fence = ""
    for number, line in enumerate(lines[start - 1 :], start=start):
        mark = FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence):
            fence = ""
        elif not fence:
            yield number, line


def front_matter(lines: Sequence[str]) -> tuple[int, dict[str, object]]:
    """Number of its last line, and its values; (0, {}) for a file that has none."""
    if not RULE.match(lines[0]):
        return 0, {}
    end = next((n for n, line in enumerate(lines[1:], 2) if RULE.match(line)), 0)
    try:
        meta = yaml.safe_load("\n".join(lines[1 : end - 1])) if end else None
    except (yaml.YAMLError, ValueError):
        return 0, {}  # a rule above a text with colons in it
    return (end, meta) if isinstance(meta, dict) else (0, {})


def plain(heading: str) -> str:
    """A heading's words: without emphasis, tags and a link's address."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    text = re.sub(r"</?\w+>|\*\*|__|`", "", text)
    return " ".join(text.split())
