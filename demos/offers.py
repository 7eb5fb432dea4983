"""Which papers offer a demo: read from the source, nothing is imported."""

from __future__ import annotations

import ast
from pathlib import Path

from demos import specs

IMPLS = Path(__file__).resolve().parent.parent / "reference_impls"


def papers_with(demo: specs.Demo) -> list[str]:
    """Slugs of the papers whose module has what the demo needs."""
    return [f.stem for f in sorted(IMPLS.glob("[a-z]*.py")) if demo in demos_of(f.stem)]


def demos_of(paper: str) -> list[specs.Demo]:
    """The demos that a paper's module can run; none where there is no module."""
    return specs.offered_by(symbols(paper))


def symbols(paper: str) -> set[str]:
    """Functions and `Class.method`s of a module, inherited methods included."""
    path = IMPLS / f"{paper}.py"
    if not paper.isidentifier() or not path.is_file():
        return set()
    tree = ast.parse(path.read_text())
    functions = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    classes = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}
    return functions | {
        f"{name}.{method}" for name, node in classes.items()
        for method in methods(node, tree)
    }


def methods(node: ast.ClassDef, tree: ast.Module) -> set[str]:
    """Methods of a class and of its parents in this or another reference module."""
    found = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
    for base in node.bases:
        if isinstance(base, ast.Name):
            found |= parent_methods(base.id, tree)
    return found


def parent_methods(name: str, tree: ast.Module) -> set[str]:
    """Methods of the class that `name` means in a module, through its imports."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return methods(node, tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "reference_impls."
        ):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    paper = str(node.module).split(".")[1]
                    ends = (s.split(".") for s in symbols(paper) if "." in s)
                    return {method for owner, method in ends if owner == alias.name}
    return set()
