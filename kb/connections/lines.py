"""Source code as lines of coloured pieces, with or without the prose in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

from pygments.lexers import PythonLexer

from kb.catalogue.listing import css_class

# Comments and docstrings: two modules never say them in the same words.
PROSE = {"c1", "ch", "cm", "cs", "sd"}


@dataclass(frozen=True)
class Line:
    """One line of a file. pieces: (Pygments' class or "", text)."""

    number: int
    pieces: tuple[tuple[str, str], ...]

    @cached_property
    def text(self) -> str:
        return "".join(text for _, text in self.pieces).rstrip()

    @cached_property
    def code(self) -> Line:
        """The same without comments and docstrings; perhaps nothing is left."""
        kept = [(kind, text) for kind, text in self.pieces if kind not in PROSE]
        if kept:
            kept[-1] = (kept[-1][0], kept[-1][1].rstrip())
        return Line(self.number, tuple(kept))


@lru_cache(maxsize=128)
def of(source: str) -> tuple[Line, ...]:
    """Every line of a module."""
    rows: list[list[tuple[str, str]]] = [[]]
    for kind, value in PythonLexer(stripnl=False).get_tokens(source):
        first, *later = value.split("\n")
        rows[-1].append((css_class(kind), first))
        rows.extend([(css_class(kind), text)] for text in later)
    count = len(source.splitlines())
    return tuple(
        Line(number, tuple(piece for piece in row if piece[1]))
        for number, row in enumerate(rows[:count], start=1)
    )


def between(source: str, first: int, last: int, *, code_only: bool) -> list[Line]:
    """Lines first to last; code_only leaves out comments, docstrings, blank lines."""
    chosen = of(source)[first - 1 : last]
    if not code_only:
        return list(chosen)
    return [line.code for line in chosen if line.code.text]
