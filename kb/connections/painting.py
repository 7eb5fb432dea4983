"""A difference as HTML: two columns of numbered lines, changed words marked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from kb.connections.difference import Row, Stretch
from kb.connections.lines import Line
from kb.connections.words import changed

WORD = re.compile(r"\w+|\s+|[^\w\s]")
Words = list[tuple[str, str]]  # (Pygments' class, one word)


@dataclass(frozen=True)
class Side:
    """Whose code stands in a column. css: `a` or `b`; tag: what marks its words."""

    name: str
    url: str
    css: str
    tag: str


def paint(parts: Sequence[Stretch], left: Side, right: Side) -> str:
    """The whole difference; no line of it is in the tab order."""
    return "\n".join(_stretch(part, left, right) for part in parts)


def _stretch(part: Stretch, left: Side, right: Side) -> str:
    shown = [_row(row, left, right) for row in part.rows]
    columns = _column([a for a, _ in shown], [r.left for r in part.rows], left)
    columns += _column([b for _, b in shown], [r.right for r in part.rows], right)
    html = f'<div class="hunk {"same" if part.same else "differs"}">{columns}</div>'
    if not part.folded:
        return html
    count = len(part.rows)
    return f"<details><summary>{count} lines are the same</summary>{html}</details>"


def _column(html: list[str], lines: list[Line | None], side: Side) -> str:
    numbers = [line.number for line in lines if line]
    if numbers:
        where = f"line {numbers[0]}"
        if len(numbers) > 1:
            where = f"lines {numbers[0]}–{numbers[-1]}"
        label = f"{escape(side.name)}, {where}"
    else:
        label = f"{escape(side.name)}: nothing here"
    return (
        f'<div class="side {side.css}"><p class="of">{label}</p>{"".join(html)}</div>'
    )


def _row(row: Row, left: Side, right: Side) -> tuple[str, str]:
    if row.left and row.right:
        words = _words(row.left), _words(row.right)
        if row.same:
            marks = [False] * len(words[0]), [False] * len(words[1])
        else:
            marks = changed([text for _, text in words[0]], [t for _, t in words[1]])
        return (
            _line(row.left, words[0], _joined(words[0], marks[0]), left),
            _line(row.right, words[1], _joined(words[1], marks[1]), right),
        )
    gap = '<div class="ln gap"></div>'
    if row.left:
        return _whole(row.left, left), gap
    assert row.right
    return gap, _whole(row.right, right)


def _words(line: Line) -> Words:
    return [(kind, word) for kind, text in line.pieces for word in WORD.findall(text)]


def _joined(words: Words, marks: list[bool]) -> list[bool]:
    """A blank is marked only between marked words: padding is no news."""
    around = [False, *marks, False]
    return [
        mark and (not word.isspace() or (around[i] and around[i + 2]))
        for i, ((_, word), mark) in enumerate(zip(words, marks, strict=True))
    ]


def _whole(line: Line, side: Side) -> str:
    """A line that nothing answers: marked as a whole, not word by word."""
    html = _line(line, _words(line), [False] * len(_words(line)), side)
    return html.replace('class="ln"', 'class="ln alone"', 1)


def _line(line: Line, words: Words, marks: list[bool], side: Side) -> str:
    # Out of the tab order, as in a paper's listing: there would be hundreds of stops.
    return (
        f'<div class="ln"><a class="no" href="{side.url}#L{line.number}" tabindex="-1">'
        f"{line.number}</a><code>{_coloured(words, marks, side.tag)}</code></div>"
    )


def _coloured(words: Words, marks: list[bool], tag: str) -> str:
    """Neighbouring words of one colour and one fate share their elements."""
    runs: list[tuple[str, bool, str]] = []
    for (kind, word), mark in zip(words, marks, strict=True):
        if runs and runs[-1][:2] == (kind, mark):
            runs[-1] = (kind, mark, runs[-1][2] + word)
        else:
            runs.append((kind, mark, word))
    return "".join(_run(kind, mark, text, tag) for kind, mark, text in runs)


def _run(kind: str, mark: bool, text: str, tag: str) -> str:
    html = escape(text, quote=False)
    html = f'<span class="{kind}">{html}</span>' if kind else html
    return f"<{tag}>{html}</{tag}>" if mark else html
