"""Tables with tabs between their cells, as they come out of slides, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from kb.exchange.notes.passages import unfenced


def with_tables(lines: Sequence[str]) -> list[str]:
    """The same lines; two and more with tabs in a row have become a table."""
    open_text = {number for number, _ in unfenced(lines)}
    numbered = enumerate(lines, start=1)
    groups = groupby(numbered, lambda one: one[0] in open_text and "\t" in one[1])
    found: list[str] = []
    for tabbed, group in groups:
        rows = [line for _, line in group]
        found += _table(rows) if tabbed and len(rows) > 1 else rows
    return found


def _table(rows: Sequence[str]) -> Iterator[str]:
    cells = [[_cell(text) for text in re.split("\t", row)] for row in rows]
    width = max(len(row) for row in cells)
    yield ""
    for number, row in enumerate(cells):
        yield f"| {' | '.join(row + [''] * (width - len(row)))} |"
        if number == 0:
            yield f"|{'---|' * width}"
    yield ""


def _cell(text: str) -> str:
    return text.strip().replace("|", r"\|")
