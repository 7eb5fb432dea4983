"""A book: chapters with a number, parts, a table of contents, references."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kb.exchange.notes.passages import ATX, Heading, Passage, cut, plain, unfenced

PART = re.compile(r"^\**\s*Part\s+[IVXLC\d]+\b[^.!?]{0,60}$", re.I)
NUMBERED = re.compile(r"^\d+\.?\s+\S")
APART = re.compile(
    r"^(table of )?contents$|^references$|^bibliography$|^preface$|^foreword$|"
    r"^acknowledge?ments?$|^appendix\b|^what is this\??$|^overview\b|^about\b|^index$",
    re.I,
)


def is_book(lines: Sequence[str]) -> bool:
    """Whether the text is divided by headings with `#`."""
    return sum(bool(ATX.match(line)) for _, line in unfenced(lines)) > 1


def split(lines: Sequence[str], start: int) -> list[Passage]:
    """Passages from line `start` on; each knows the number of its chapter."""
    passages = cut(lines, start, list(_headings(lines, start)))
    numbered = any(NUMBERED.match(plain(p.heading)) for p in passages)
    top = min((p.level for p in passages if p.level), default=1)
    chapter, count = 0, 0
    for passage in passages:
        words = plain(passage.heading)
        opens = bool(NUMBERED.match(words)) if numbered else passage.level == top
        if PART.match(words) or APART.match(words):
            chapter = 0
        elif opens:
            count += 1
            chapter = count
        passage.chapter = chapter
    return passages


def _headings(lines: Sequence[str], start: int) -> list[Heading]:
    found = []
    for number, line in unfenced(lines, start):
        if heading := ATX.match(line):
            found.append(Heading(number, number, heading[2], len(heading[1])))
        elif PART.match(line):  # some converters leave it as a line in bold
            found.append(Heading(number, number, line.strip(), 1))
    return found
