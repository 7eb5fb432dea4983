"""Which words two texts do not share."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from html import escape


def changed(
    left: Sequence[str], right: Sequence[str]
) -> tuple[list[bool], list[bool]]:
    """For each word of both, whether the other text lacks it at that place."""
    marks = [True] * len(left), [True] * len(right)
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    for block in matcher.get_matching_blocks():
        for step in range(block.size):
            marks[0][block.a + step] = marks[1][block.b + step] = False
    return marks


def marked(left: str, right: str) -> tuple[str, str]:
    """Both texts as HTML, with <del> around words of the left that the right lacks
    and <ins> around words of the right that the left lacks. Commas do not count."""
    words = left.split(), right.split()
    marks = changed(*([word.strip(",;.:") or word for word in side] for side in words))
    return _joined(words[0], marks[0], "del"), _joined(words[1], marks[1], "ins")


def _joined(words: list[str], marks: list[bool], tag: str) -> str:
    """Neighbours that are both marked share one element."""
    html, open_ = "", False
    for position, (word, mark) in enumerate(zip(words, marks, strict=True)):
        html += f"</{tag}>" if open_ and not mark else ""
        html += " " if position else ""
        html += f"<{tag}>" if mark and not open_ else ""
        html += escape(word)
        open_ = mark
    return html + (f"</{tag}>" if open_ else "")
