"""Snippets: the stretch of a text with the most of the searched terms, marked."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from html import escape
from itertools import product

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
    found: list[tuple[int, int, str]] = []
    for first, last in _stretches(text, terms):
        for match in analysis.words(text[first:last]):
            term = next((t for t in analysis.terms_of(match[0]) if t in terms), None)
            if term is not None:
                found.append((first + match.start(), first + match.end(), term))
        if len(found) >= MOST_HITS:
            break
    return found[:MOST_HITS]


def _stretches(text: str, terms: Collection[str]) -> Iterator[tuple[int, int]]:
    """The stretches between blanks that may hold a term.

    A term begins like its words, so most of a text need not be taken apart.
    """
    heads = _heads(frozenset(terms))
    last = 0
    while found := heads.search(text, last):
        first = max(text.rfind(" ", last, found.start()) + 1, last)
        last = text.find(" ", found.end())
        last = len(text) if last < 0 else last
        yield first, last


@lru_cache(maxsize=64)
def _heads(terms: frozenset[str]) -> re.Pattern[str]:
    """Two letters of each term, large and small, or any that are folded: τ is tau."""
    letters = [[(c, c.upper()) for c in term[:2]] for term in terms]
    heads = {"".join(head) for both in letters for head in product(*both)}
    return re.compile("|".join([*map(re.escape, sorted(heads)), r"[^\x00-\x7f]"]))


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
