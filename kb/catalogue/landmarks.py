"""Named places in code: comments `# -- name`, so that links survive edits."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

# `# -- name`, or behind a shape: `# (B, N)  -- name`. A dash inside a sentence is none.
LANDMARK = re.compile(r"^#\s*(?:.*?(?:[)\]]\s*|\s{2,}))?--\s+(\S.*?)\s*$")


@dataclass(frozen=True)
class Lines:
    """A stretch of source lines, both ends included, counted from 1."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


@dataclass(frozen=True)
class Landmark:
    """A named place in the code: the statement or lines behind a `# -- name`."""

    name: str
    symbol: str
    first: int
    last: int


def find(
    source: str, statements: list[Lines], innermost: Callable[[int], str]
) -> Iterator[Landmark]:
    """The landmarks of a module. innermost: line -> name of the symbol around it.

    One behind code covers the smallest statement on its line; one on a line of its own
    covers the following lines up to a blank line or a dedent.
    """
    # A string may hold what looks like a comment: only the tokeniser tells.
    if "--" not in source:
        return
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        found = token.type == tokenize.COMMENT and LANDMARK.match(token.string)
        if not found:
            continue
        line, column = token.start
        alone = not token.line[:column].strip()
        extent = _below(lines, line, column) if alone else _around(statements, line)
        yield Landmark(found[1], innermost(line), extent.first, extent.last)


def statements(body: Iterable[ast.AST]) -> Iterator[Lines]:
    """Where each statement stands, nested ones included; skips expressions."""
    for node in body:
        if isinstance(node, ast.stmt):
            yield Lines(node.lineno, node.end_lineno or node.lineno)
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from statements(getattr(node, block, ()))


def _around(statements: list[Lines], line: int) -> Lines:
    """The smallest statement that stands on the line, all of its lines."""
    on_it = [s for s in statements if s.first <= line <= s.last]
    return min(on_it, key=lambda s: s.last - s.first, default=Lines(line, line))


def _below(lines: list[str], line: int, indent: int) -> Lines:
    """From the line after a comment to the next blank line or dedent."""
    last = line
    for text in lines[line:]:
        if not text.strip() or len(text) - len(text.lstrip()) < indent:
            break
        last += 1
    return Lines(min(line + 1, last), last)
