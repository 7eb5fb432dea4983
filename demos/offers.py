"""Which papers offer a demo: read from the source, nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from demos import specs, syntax

IMPLS = Path(__file__).resolve().parent.parent / "reference_impls"
PACKAGE = f"{IMPLS.name}."


def papers_with(demo: specs.Demo) -> list[str]:
    """Slugs of the papers whose module has what the demo needs."""
    papers = (file.stem for file in sorted(IMPLS.glob("[a-z]*.py")))
    return [paper for paper in papers if demo in demos_of(paper)]


@cache
def demos_of(paper: str) -> list[specs.Demo]:
    """The demos that a paper's module can run; none where there is no module.

    Read once: a process that runs code does not run another version of it later.
    """
    module = IMPLS / f"{paper}.py"
    known = paper.isidentifier() and module.is_file()
    return specs.offered_by(abilities(module)) if known else []


def abilities(module: Path) -> set[str]:
    """What a demo can need of a module: its callables, and stored answers."""
    cases = module.parent / "golden" / module.stem
    return callables(module) | ({specs.CASES} if any(cases.glob("*.json")) else set())


def callables(module: Path) -> set[str]:
    """Functions and `Class.method`s of a module, inherited methods included.

    So are names taken over from the modules beside it, and parents are followed there.
    A module that Python cannot read offers nothing, and stops no other.
    """
    try:
        tree = syntax.parse(module.read_text(encoding="utf-8"), module.name)
    except (SyntaxError, UnicodeDecodeError):
        return set()
    functions = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    functions |= {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(PACKAGE)
        for alias in node.names
    }
    classes = (n for n in tree.body if isinstance(n, ast.ClassDef))
    return functions | {
        f"{node.name}.{method}"
        for node in classes
        for method in methods(node, tree, module)
    }


def methods(node: ast.ClassDef, tree: ast.Module, module: Path) -> Iterator[str]:
    """Methods of a class and of its parents in this or another reference module."""
    for part in node.body:
        if isinstance(part, ast.FunctionDef):
            yield part.name
    for base in node.bases:
        if isinstance(base, ast.Name):
            yield from parent_methods(base.id, tree, module)


def parent_methods(name: str, tree: ast.Module, module: Path) -> Iterator[str]:
    """Methods of the class that `name` means in a module, through its imports."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            yield from methods(node, tree, module)
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith(PACKAGE):
            origin = module.with_name(f"{str(node.module).removeprefix(PACKAGE)}.py")
            theirs = {a.name for a in node.names if (a.asname or a.name) == name}
            if theirs and origin.is_file():
                ends = (c.split(".") for c in callables(origin) if "." in c)
                yield from (method for owner, method in ends if owner in theirs)
