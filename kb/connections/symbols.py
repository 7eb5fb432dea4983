"""Which class or function of one module answers which of another."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import Indel

from demos import syntax
from kb.catalogue.code import PACKAGE, Module, Symbol
from kb.connections.lines import between

ALIKE = 0.5  # share of common words; below it a pair would be an accident
WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Pair:
    """Two symbols that answer each other, or one that has no counterpart.

    alike: per cent of their code's words in common. borrowed: the other module
    imports this very symbol.
    """

    left: Symbol | None
    right: Symbol | None
    alike: int = 0
    borrowed: bool = False


def pairs(left: Module, right: Module) -> list[Pair]:
    """Top-level symbols by name, the rest by likeness; then those left alone."""
    by_name = {s.name: s for s in right.outline}
    partner = {s.name: by_name[s.name] for s in left.outline if s.name in by_name}
    lent, taken = borrowed(right, left.name), borrowed(left, right.name)
    # What the other side imports is answered by itself.
    partner |= _most_alike(
        left, [s for s in left.outline if s.name not in lent | partner.keys()],
        right, [s for s in right.outline if s.name not in taken | partner.keys()],
    )
    found = [
        Pair(s, partner[s.name], round(100 * _alike(left, s, right, partner[s.name])))
        for s in left.outline if s.name in partner
    ]
    found += [
        Pair(s, None, borrowed=s.name in lent)
        for s in left.outline if s.name not in partner
    ]
    return found + [
        Pair(None, s, borrowed=s.name in taken)
        for s in right.outline if s not in partner.values()
    ]


def _most_alike(
    left: Module, ours: list[Symbol], right: Module, theirs: list[Symbol]
) -> dict[str, Symbol]:
    """The best pairs first, each symbol once, classes with classes only."""
    scored = [
        (-_alike(left, a, right, b), a.first, b.first, a, b)
        for a in ours for b in theirs if a.kind == b.kind
    ]
    partner: dict[str, Symbol] = {}
    for score, _, _, a, b in sorted(scored, key=lambda one: one[:3]):
        if -score < ALIKE:
            break
        if a.name not in partner and b not in partner.values():
            partner[a.name] = b
    return partner


def _alike(left: Module, a: Symbol, right: Module, b: Symbol) -> float:
    ours, theirs = _words(left.source, a), _words(right.source, b)
    return Indel.normalized_similarity(ours, theirs)


@lru_cache(maxsize=2048)
def _words(source: str, symbol: Symbol) -> list[str]:
    code = between(source, symbol.first, symbol.last, code_only=True)
    return [word for line in code for word in WORD.findall(line.text)]


def borrowed(module: Module, origin: str) -> set[str]:
    """Names that a module takes from another one, by `from` or by attribute."""
    return _taken(module.source).get(origin, set())


@lru_cache(maxsize=256)
def _taken(source: str) -> dict[str, set[str]]:
    """Module (or any other name with attributes) -> names taken from it."""
    names: dict[str, set[str]] = {}
    for node in ast.walk(syntax.parse(source)):
        if isinstance(node, ast.ImportFrom):
            origin = (node.module or "").removeprefix(f"{PACKAGE}.")
            names.setdefault(origin, set()).update(alias.name for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names.setdefault(node.value.id, set()).add(node.attr)
    return names
