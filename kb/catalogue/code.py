"""A reference module as text: symbols, landmarks, imports. Never imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from demos import syntax
from kb.catalogue import landmarks, listing
from kb.catalogue.landmarks import Landmark, Lines

PACKAGE = "reference_impls"


@dataclass(frozen=True)
class Symbol:
    """A class, function, method (`Class.method`) or constant (also `Class.field`)."""

    name: str
    kind: str
    first: int
    last: int
    doc: str
    signature: str


@dataclass(frozen=True)
class Reading:
    """What is kept of a syntax tree, which itself is a hundred times as large."""

    symbols: list[Symbol]
    imported: list[str]  # slugs, in the order of the imports
    statements: list[Lines]


@dataclass(eq=False)
class Module:
    """One reference module, parsed on first use. Raises SyntaxError like `ast`."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @cached_property
    def source(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def lines(self) -> list[str]:
        return self.source.splitlines()

    @cached_property
    def reading(self) -> Reading:
        tree = syntax.parse(self.source, self.path.name)
        return Reading(
            list(_symbols(tree.body, "")), list(_imported(tree)),
            list(landmarks.statements(tree.body)),
        )

    @cached_property
    def fault(self) -> SyntaxError | UnicodeDecodeError | None:
        """Why Python cannot read it; None where it can."""
        try:
            _ = self.reading
        except (SyntaxError, UnicodeDecodeError) as error:
            return error
        return None

    @property
    def symbols(self) -> list[Symbol]:
        return self.reading.symbols

    @property
    def outline(self) -> list[Symbol]:
        """Top-level classes and functions, in the order of the file."""
        return [s for s in self.symbols if s.kind in ("class", "function")]

    @property
    def imports(self) -> list[str]:
        """Slugs of the papers it builds on, in the order of the imports."""
        return list(dict.fromkeys(self.reading.imported))

    @cached_property
    def landmarks(self) -> list[Landmark]:
        statements = self.reading.statements
        return list(landmarks.find(self.source, statements, self.innermost))

    @cached_property
    def html_lines(self) -> list[str]:
        """Each line highlighted, without its number."""
        return listing.highlight(self.source)

    def symbol(self, name: str) -> Symbol | None:
        return next((s for s in self.symbols if s.name == name), None)

    def find(self, target: str) -> Lines | None:
        """Where `Symbol`, `Class.method` or `Symbol#landmark` stands, if anywhere."""
        name, _, place = target.partition("#")
        symbol = self.symbol(name)
        if symbol is None:
            return None
        if not place:
            return Lines(symbol.first, symbol.last)
        for mark in self.landmarks:
            inside = symbol.first <= mark.first and mark.last <= symbol.last
            if mark.name == place.strip() and inside:
                return Lines(mark.first, mark.last)
        return None

    def innermost(self, line: int) -> str:
        """The name of the smallest symbol around a line; empty at module level."""
        around = [s for s in self.symbols if s.first <= line <= s.last]
        return min(around, key=lambda s: s.last - s.first).name if around else ""


def _symbols(body: list[ast.stmt], owner: str) -> Iterator[Symbol]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            kind = "method" if owner else "function"
            yield _symbol(node, owner + node.name, kind, _signature(node))
        elif isinstance(node, ast.ClassDef):
            bases = ", ".join(ast.unparse(b) for b in node.bases)
            signature = f"class {node.name}({bases})" if bases else f"class {node.name}"
            yield _symbol(node, owner + node.name, "class", signature)
            yield from _symbols(node.body, f"{owner}{node.name}.")
        elif name := _assigned(node):
            yield _symbol(node, owner + name, "constant", ast.unparse(node))


def _symbol(node: ast.stmt, name: str, kind: str, signature: str) -> Symbol:
    doc = None
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        doc = ast.get_docstring(node)
    last = node.end_lineno or node.lineno
    return Symbol(name, kind, node.lineno, last, doc or "", signature)


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    answer = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({ast.unparse(node.args)}){answer}"


def _assigned(node: ast.stmt) -> str:
    """The name that an assignment at module or class level defines, if just one."""
    if isinstance(node, ast.AnnAssign):
        target: ast.expr = node.target
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    else:
        return ""
    return target.id if isinstance(target, ast.Name) else ""


def _imported(tree: ast.Module) -> Iterator[str]:
    """Slugs of other reference modules, however they are imported."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            here = f"{PACKAGE}." if node.level else ""
            origin = f"{here}{node.module}." if node.module else here
            names = [origin + alias.name for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == PACKAGE and rest:
                yield rest.partition(".")[0]
