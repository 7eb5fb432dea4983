"""Snippets: the stretch of a text with the most of the searched terms, marked."""

from __future__ import annotations

from collections.abc import Collection
from html import escape

from kb.search import analysis

LENGTH = 220
LONGEST_TEXT = 12_000
MOST_HITS = 60


def snippet(text: str, terms: Collection[str]) -> str:
    """HTML-escaped stretch of about LENGTH characters, hits inside `<mark>`.

    Without a hit it is the beginning of the text.
    """
    text = text[:LONGEST_TEXT]
    hits = marks(text, terms)
    start = _best_start(hits)
    first, last = _whole_words(text, start, start + LENGTH)
    inside = [(a, b) for a, b, _ in hits if first <= a and b <= last]
    ends = ("… " if first else ""), (" …" if last < len(text) else "")
    return ends[0] + _marked(text, first, last, inside) + ends[1]


def marks(text: str, terms: Collection[str]) -> list[tuple[int, int, str]]:
    """The first places (start, end) of words with one of the terms, and which term."""
    found = []
    for match in analysis.words(text):
        for term in analysis.terms_of(match[0]):
            if term in terms:
                found.append((match.start(), match.end(), term))
                break
        if len(found) == MOST_HITS:
            break
    return found


def _best_start(hits: list[tuple[int, int, str]]) -> int:
    """Where the stretch with the most different terms begins."""
    best, start = 0, 0
    for i, (begin, _, _) in enumerate(hits):
        seen = [t for a, b, t in hits[i : i + 20] if b <= begin + LENGTH - 40]
        worth = 10 * len(set(seen)) + len(seen)
        if worth > best:
            best, start = worth, begin
    return max(0, start - 40)


def _whole_words(text: str, first: int, last: int) -> tuple[int, int]:
    """Move both ends to blanks, so that no word is cut."""
    if first > 0:
        blank = text.find(" ", first)
        first = blank + 1 if 0 <= blank < first + 40 else first
    if last < len(text):
        blank = text.rfind(" ", first, last)
        last = blank if blank > first + LENGTH // 2 else last
    return first, min(last, len(text))


def _marked(text: str, first: int, last: int, inside: list[tuple[int, int]]) -> str:
    pieces, at = [], first
    for begin, end in inside:
        pieces += [escape(text[at:begin]), "<mark>", escape(text[begin:end]), "</mark>"]
        at = end
    return "".join([*pieces, escape(text[at:last])])
