"""What this library says, in plain sentences, and of which code it says it.

Two kinds of places: entries and concepts (Markdown, whose links name the code that a
sentence is about), and docstrings of the reference modules and the demos. Code is that
of the reference modules, without comments, docstrings and messages: no prose is left.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from demos import syntax
from demos.fingerprint import ROOT

Place = tuple[str, str]  # paper, and function or `Class.method`
Definition = ast.Module | ast.ClassDef | ast.FunctionDef
PAPERS, DEMOS = "reference_impls/[a-z]*.py", "demos/**/*.py"

SHORTEST, LONGEST = 4, 20  # words of a sentence
PLAIN = re.compile(r"[A-Z][A-Za-z ,.;:'?!-]+[.:?!]")
LETTER = re.compile(r"\b[B-Z]\b")  # a formula's
FULL_STOP = re.compile(
    r"(?<=[.!?])(?<!\bFig\.)(?<!\bSec\.)(?<!\bEq\.) |(?<=:) (?=[A-Z])"
)
FRONT = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
DISPLAYED = re.compile(r"```.*?```|\$\$.*?\$\$[^\n]*", re.DOTALL)
NO_PROSE = ("#", "|", "!", ">")  # how such lines begin: headings, tables, drawings
BULLET = re.compile(r"^\s*(?:[-*]|\d+\.) ")
IN_BRACKETS = re.compile(r" ?\([^()]*\)")
# What is left of a sentence that leant on its brackets.
TORN = re.compile(
    r"[,.;:] ?[,.;:]|, each\b|"
    r"\b(?:an?|and|are|as|at|by|for|from|in|is|of|or|the|to|with)\s*(?:[,.;:]|$)"
)
# Brackets inside a link's text or target are closed there.
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(((?:[^()]|\([^()]*\))*)\)")


@dataclass(frozen=True)
class Said:
    """A sentence, and the code that it is about, if any."""

    text: str
    about: frozenset[Place] = frozenset()


def plain(text: str) -> bool:
    """Whether these are words alone, neither too few nor too many."""
    number = len(text.split())
    strange = LETTER.search(text) or TORN.search(text) or not PLAIN.fullmatch(text)
    return SHORTEST <= number <= LONGEST and not strange


def everything(root: Path = ROOT) -> list[Said]:
    """All plain sentences of the library, each once, docstrings first."""
    found: dict[str, Said] = {}
    for said in (*docstrings(root), *entries(root)):
        if plain(said.text):
            before = found.get(said.text, Said(said.text))
            found[said.text] = Said(said.text, before.about | said.about)
    return list(found.values())


# Entries


def entries(root: Path) -> Iterator[Said]:
    """Sentences of entries and concepts, without what lies behind `## Sources`."""
    for file in sorted(root.glob("papers/**/*.md")):
        text = DISPLAYED.sub("", FRONT.sub("", file.read_text(encoding="utf-8")))
        for line in text.partition("\n## Sources")[0].splitlines():
            if not line.startswith(NO_PROSE):
                line = BULLET.sub("", line).replace("**", "")
                for part in FULL_STOP.split(line):
                    yield linked(part, file.stem)


def linked(sentence: str, paper: str) -> Said:
    """A sentence of Markdown as words, and where its links into the code lead."""
    about = set()
    for _, target in LINK.findall(sentence):
        if target.startswith("code:"):
            symbol = target.removeprefix("code:").partition("#")[0]
            other, slash, rest = symbol.partition("/")
            about.add((other, rest) if slash else (paper, symbol))
    return Said(tidy(LINK.sub(r"\1", sentence)), frozenset(about))


def tidy(text: str) -> str:
    """Without marks of Markdown, remarks in brackets and line breaks."""
    bare = IN_BRACKETS.sub("", text.replace("*", "").replace("`", ""))
    return " ".join(bare.split())


# Code


def definitions(root: Path, pattern: str) -> Iterator[tuple[Place, Definition]]:
    """Every module, class, function and method in the files of a pattern."""
    for file in sorted(root.glob(pattern)):
        tree = syntax.parse(file.read_text(encoding="utf-8"), file.name)
        yield (file.stem, ""), tree
        for place, node in inside(tree, ""):
            yield (file.stem, place), node


def inside(node: Definition, owner: str) -> Iterator[tuple[str, Definition]]:
    """Classes and functions of a module, and methods by `Class.method`."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.ClassDef | ast.FunctionDef):
            yield owner + part.name, part
        if isinstance(part, ast.ClassDef):
            yield from inside(part, f"{owner}{part.name}.")


def docstrings(root: Path) -> Iterator[Said]:
    """Their sentences; the first says what its function does, if it is of a paper."""
    for pattern in (PAPERS, DEMOS):
        for place, node in definitions(root, pattern):
            parts = FULL_STOP.split(tidy(ast.get_docstring(node) or ""))
            of_paper = pattern == PAPERS and isinstance(node, ast.FunctionDef)
            for number, part in enumerate(parts):
                first = of_paper and not number
                yield Said(part, frozenset({place} if first else ()))


def functions(root: Path = ROOT) -> dict[Place, str]:
    """The papers' functions and methods, without comments, docstrings and messages."""
    found = definitions(root, PAPERS)
    return {
        place: bare(node) for place, node in found if isinstance(node, ast.FunctionDef)
    }


def bare(function: ast.FunctionDef) -> str:
    """A function's code; comments are no part of a tree."""
    tree = ast.parse(ast.unparse(function))  # its own, to be changed
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            documented = ast.get_docstring(node) is not None
            node.body = node.body[documented:] or [ast.Pass()]
    return ast.unparse(Silent().visit(tree))


class Silent(ast.NodeTransformer):
    """Puts `...` in place of every string: errors' messages are prose too."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant(...)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant(...) if isinstance(node.value, str) else node


# What a name is made of: `keep_mask` and `keepMask` are a mask to keep.
PART_OF_NAME = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
NAME = re.compile(r"[A-Za-z_]\w*")


def spoken(code: str) -> str:
    """Code as words: its names, taken apart."""
    names = NAME.findall(code)
    parts = (part for name in names for part in PART_OF_NAME.findall(name))
    return " ".join(part.lower() for part in parts)
