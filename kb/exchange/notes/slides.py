"""Slides in Markdown, as Marp reads them: `---` between one slide and the next."""

from __future__ import annotations

from collections.abc import Sequence

from kb.exchange.notes.passages import ATX, RULE, Heading, Passage, cut, unfenced

FEWEST = 3  # rules; an essay has one here and there


def is_slides(lines: Sequence[str], meta: dict[str, object]) -> bool:
    """Whether the file says so, or rules divide most of its headings."""
    if "marp" in meta:
        return True
    rules = sum(bool(RULE.match(line)) for _, line in unfenced(lines))
    headings = sum(bool(ATX.match(line)) for _, line in unfenced(lines))
    return rules >= FEWEST and 2 * rules >= headings


def split(lines: Sequence[str], start: int) -> list[Passage]:
    """A passage for each slide from line `start` on; the rules themselves go."""
    found: list[Heading] = []
    rule, empty = start, True  # where the slide began, and whether it has words yet
    for number, line in unfenced(lines, start):
        heading = ATX.match(line)
        if RULE.match(line):
            found.append(Heading(number, number, ""))
            rule, empty = number, True
        elif heading and empty:
            if found and found[-1].first == rule:
                found.pop()
            found.append(Heading(rule, number, heading[2], len(heading[1])))
            empty = False
        elif line.strip():
            empty = False
    return cut(lines, start, found)
