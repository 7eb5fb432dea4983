"""The text of slides without any markup: headings are short lines on their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from kb.exchange.notes.passages import Heading, Passage, cut, plain, unfenced

NO_HEADING = re.compile(r"^[\s\-*•·(\[$|>#\d]|^(figure|fig\.|table|algorithm)\b", re.I)
LONGEST = 12  # words
PAGE_BREAK = 2  # a converter leaves more than one empty line between pages


def split(
    lines: Sequence[str], start: int, names_topic: Callable[[str], bool]
) -> list[Passage]:
    """Passages from line `start` on.

    names_topic: whether a line that could be a heading names a paper, or says that
        something else begins; such a line is one even right below another.
    """
    found: list[Heading] = []
    heading_end, end = -1, 0  # right below a heading, the next short line is text
    for first, last, text in _blocks(lines, start):
        free = heading_end != end or first - end > PAGE_BREAK
        short = _could_be_heading(text)
        if short and (names_topic(plain(text)) or (free and _titled(text))):
            found.append(Heading(first, last, text))
            heading_end = last
        end = last
    return cut(lines, start, found)


def _blocks(lines: Sequence[str], start: int) -> Iterator[tuple[int, int, str]]:
    """(first line, last line, text) of the paragraphs that are not code."""
    first, block, previous = start, list[str](), start - 1
    for number, line in unfenced(lines, start):
        if block and (not line.strip() or number != previous + 1):
            yield first, first + len(block) - 1, "\n".join(block)
            block = []
        if line.strip():
            first = first if block else number
            block.append(line)
        previous = number
    if block:
        yield first, first + len(block) - 1, "\n".join(block)


def _could_be_heading(text: str) -> bool:
    """One line, or two in one pair of bold marks; no sentence, item or table."""
    bold = text.startswith("**") and text.rstrip().endswith("**")
    words = plain(text)
    if text.count("\n") > (1 if bold else 0) or "\t" in text:
        return False
    if (NO_HEADING.match(text) and not bold) or words.endswith((".", ":", ",", ";")):
        return False
    return 0 < len(words.split()) <= LONGEST


def _titled(text: str) -> bool:
    """Whether at least half of its longer words begin with a capital."""
    if text.isupper() and " " in text:
        return False  # a shout
    words = [word for word in plain(text).split() if len(word) > 3]
    capitals = sum(word[0].isupper() for word in words)
    return bool(words) and 2 * capitals >= len(words) and text[:1].isupper()
