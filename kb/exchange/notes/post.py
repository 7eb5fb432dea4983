"""A blog post: front matter, headings underlined with `====`, a paper under each."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kb.exchange.notes.book import APART
from kb.exchange.notes.passages import ATX, Heading, Passage, cut, plain, unfenced

UNDERLINE = re.compile(r"^(={3,}|-{3,})\s*$")


def is_post(lines: Sequence[str]) -> bool:
    """Whether any heading is underlined with equals signs."""
    return any(h.level == 1 for h in _underlined(lines, 1))


def split(lines: Sequence[str], start: int) -> list[Passage]:
    """Passages from line `start` on; each heading of the highest level is a chapter."""
    headings = _underlined(lines, start)
    for number, line in unfenced(lines, start):
        if heading := ATX.match(line):
            headings.append(Heading(number, number, heading[2], len(heading[1])))
    passages = cut(lines, start, headings)
    top = min((h.level for h in headings), default=1)
    chapter, count = 0, 0
    for passage in passages:
        if passage.level == top and APART.match(plain(passage.heading)):
            chapter = 0
        elif passage.level == top:
            count += 1
            chapter = count
        passage.chapter = chapter
    return passages


def _underlined(lines: Sequence[str], start: int) -> list[Heading]:
    found, before = [], ""
    for number, line in unfenced(lines, start):
        mark = UNDERLINE.match(line)
        if mark and before.strip() and not UNDERLINE.match(before):
            level = 1 if mark[1].startswith("=") else 2
            found.append(Heading(number - 1, number, before.strip(), level))
        before = line
    return found
