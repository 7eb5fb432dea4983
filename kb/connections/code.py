"""The code of two papers, symbol by symbol or as whole files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from kb.catalogue.code import Module, Symbol
from kb.catalogue.papers import Paper
from kb.connections import symbols
from kb.connections.difference import rows, stretches
from kb.connections.lines import between
from kb.connections.painting import Side, paint
from kb.connections.symbols import Pair


@dataclass(frozen=True)
class Answer:
    """Two symbols that answer each other, and what differs between them."""

    pair: Pair
    html: SafeString

    @property
    def id(self) -> str:
        assert self.pair.left
        return f"code-{self.pair.left.name}"

    @property
    def equal(self) -> bool:
        return 'class="hunk differs"' not in self.html


def answers(a: Paper, b: Paper, pairs: list[Pair], *, code_only: bool) -> list[Answer]:
    """The pairs that have both sides, in the order of the left file."""
    left, right = modules(a, b)
    both = [(pair, pair.left, pair.right) for pair in pairs]
    return [
        Answer(pair, _difference(a, left, ours, b, right, theirs, code_only))
        for pair, ours, theirs in both if ours and theirs
    ]


def whole(a: Paper, b: Paper, *, code_only: bool) -> SafeString:
    """Both files from their first line to their last."""
    left, right = modules(a, b)
    return _painted(
        left.source, 1, len(left.lines), right.source, 1, len(right.lines),
        code_only, _side(a, "a", "del"), _side(b, "b", "ins"),
    )


def pairs(a: Paper, b: Paper) -> list[Pair]:
    return symbols.pairs(*modules(a, b))


def modules(a: Paper, b: Paper) -> tuple[Module, Module]:
    """Both modules; a paper that is compared has one."""
    assert a.module
    assert b.module
    return a.module, b.module


def _difference(
    a: Paper, left: Module, ours: Symbol, b: Paper, right: Module, theirs: Symbol,
    code_only: bool,
) -> SafeString:
    return _painted(
        left.source, ours.first, ours.last, right.source, theirs.first, theirs.last,
        code_only, _side(a, "a", "del"), _side(b, "b", "ins"),
    )


def _side(paper: Paper, css: str, tag: str) -> Side:
    return Side(paper.short, reverse("catalogue:paper", args=[paper.slug]), css, tag)


# By the sources themselves: an edited module is another key.
@lru_cache(maxsize=1024)
def _painted(
    left: str, first_left: int, last_left: int,
    right: str, first_right: int, last_right: int,
    code_only: bool, ours: Side, theirs: Side,
) -> SafeString:
    aligned = rows(
        between(left, first_left, last_left, code_only=code_only),
        between(right, first_right, last_right, code_only=code_only),
    )
    html = paint(stretches(aligned), ours, theirs)
    return mark_safe(html)  # noqa: S308  every word is escaped where it is painted
