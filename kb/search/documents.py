"""What is searched: papers, sections, questions, drawings, symbols, equations.

A document knows the exact place that it stands for, so that a hit opens there.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kb.search import formula

if TYPE_CHECKING:
    from kb.catalogue.code import Module, Symbol
    from kb.catalogue.landmarks import Landmark
    from kb.catalogue.letters import Word
    from kb.catalogue.library import Library
    from kb.catalogue.papers import Paper, Section
    from kb.catalogue.questions import Question
    from kb.catalogue.sink import Drawing, Equation

KINDS = ("paper", "section", "symbol", "equation")
# Front matter and references: found, but rarely what is looked for. Questions are
# places of their own, so their section repeats them.
MINOR_SECTIONS = frozenset({"sources", "results", "recipe", "questions"})

# "mae diagram" means its drawing.
DRAWING_WORDS = ("drawing", "figure", "diagram")


@dataclass(frozen=True)
class Document:
    """One place that can be found."""

    id: str                       # "mae", "mae#key-idea"
    kind: str                     # one of KINDS
    slug: str
    anchor: str                   # fragment of the page, "" for the paper itself
    title: str                    # as a hit shows it
    section: str                  # where it stands on the page
    heading: str                  # the words of its own title
    body: str                     # what it says; snippets are cut from it
    names: tuple[str, ...] = ()   # a query that is one of these means this place
    symbols: tuple[str, ...] = () # identifiers defined here
    code: str = ""
    formula: str = ""             # LaTeX and the words of its symbols
    paper: tuple[str, ...] = ()   # the paper's names
    part: str = ""
    family: str = ""
    year: int = 0
    authors: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    has: tuple[str, ...] = ()     # "demo", "code", "golden"
    hint: float = 1.0             # factor on the engine's score


def documents(library: Library) -> list[Document]:
    """Every document of the library, in its order; ids are unique."""
    found = (d for paper in library.papers.values() for d in of_paper(paper))
    return list({document.id: document for document in found}.values())


def of_paper(paper: Paper) -> Iterator[Document]:
    """The documents of one paper."""
    whole = _paper(paper)
    yield whole
    for section in paper.sections:
        yield _section(whole, section)
    titles = {section.id: section.title for section in paper.sections}
    for question in paper.page.questions:
        yield _question(whole, question, titles[question.section_id])
    for drawing in paper.page.figures:
        yield _drawing(whole, drawing, titles.get(drawing.section_id, ""))
    for equation in paper.equations:
        yield _equation(whole, equation, titles.get(equation.section_id, ""))
    if paper.module is not None:
        lines = paper.module.source.splitlines()
        for symbol in paper.module.symbols:
            code = _own(symbol, paper.module, lines)
            yield _symbol(whole, paper.module, symbol, code)
        for landmark in paper.module.landmarks:
            yield _landmark(whole, landmark, lines)


def _paper(paper: Paper) -> Document:
    has = {"demo": paper.picture_demos, "code": paper.module, "golden": paper.golden}
    text = [section.text for section in paper.sections]
    names = tuple(dict.fromkeys([paper.short, paper.slug, *paper.aliases]))
    return Document(
        id=paper.slug, kind="paper", slug=paper.slug, anchor="", title=paper.title,
        section="", heading=" ".join([paper.title, *names]),
        body="\n".join(text),
        names=tuple(filter(None, [*names, paper.title, paper.arxiv])), paper=names,
        part=paper.part, family=paper.family, year=paper.year or 0,
        authors=tuple(paper.authors), tags=tuple(paper.tags),
        has=tuple(name for name, things in has.items() if things), hint=1.1,
    )


def _inside(whole: Document, kind: str, anchor: str, **own: Any) -> Document:
    """A place on the paper's page: the paper's facets with contents of its own."""
    empty: dict[str, Any] = {"names": (), "symbols": (), "hint": 1.0}
    return replace(
        whole, kind=kind, anchor=anchor,
        **({"id": f"{whole.slug}#{anchor}"} | empty | own),
    )


def _section(whole: Document, section: Section) -> Document:
    short = whole.paper[0]
    return _inside(
        whole, "section", section.id, title=f"{short}: {section.title}",
        section=section.title, heading=section.title, body=section.text,
        names=(f"{short} {section.title}",),
        hint=0.8 if section.id in MINOR_SECTIONS else 1.0,
    )


def _question(whole: Document, question: Question, section: str) -> Document:
    """A section of its own: who asks the same opens the page at the answer."""
    short = whole.paper[0]
    return _inside(
        whole, "section", question.id, title=f"{short}: {question.title}",
        section=section, heading=question.title, body=question.text,
        names=(question.title,),
    )


def _drawing(whole: Document, drawing: Drawing, section: str) -> Document:
    """Found by what it shows; its words repeat the text, so the text goes first."""
    short, shows = whole.paper[0], drawing.shows
    told = [shows.alt, drawing.caption, "; ".join(shows.words)]
    return _inside(
        whole, "section", drawing.id, title=f"{short}: drawing, {shows.title}",
        section=section, heading=f"{shows.title}, drawing", body="\n".join(told),
        names=(shows.title, *(f"{short} {word}" for word in DRAWING_WORDS)), hint=0.7,
    )


def _equation(whole: Document, equation: Equation, section: str) -> Document:
    short = whole.paper[0]
    words = _sentence(equation.words)
    symbol, _, landmark = (equation.target or "").partition("#")
    return _inside(
        whole, "equation", equation.id, title=f"{short}: equation {equation.number}",
        section=section, heading=landmark, body=words or landmark or symbol,
        names=(f"{short} equation {equation.number}",),
        code=symbol, formula=f"{equation.latex}\n{words}", hint=0.9,
    )


def _symbol(
    whole: Document, module: Module, symbol: Symbol, code: list[str]
) -> Document:
    last = symbol.name.rpartition(".")[2]
    return _inside(
        whole, "symbol", f"def-{symbol.name}", title=symbol.name,
        section=f"{module.name}.py", heading=symbol.name,
        body=re.sub(r"\n\s*\n", "\n", f"{symbol.signature}\n{symbol.doc}"),
        names=(symbol.name, last), symbols=(symbol.name,),
        code="\n".join(code),
        hint=0.7 if last.startswith("_") else 1.0,
    )


def _own(symbol: Symbol, module: Module, lines: list[str]) -> list[str]:
    """The symbol's lines; a class without its methods, which are places themselves."""
    inner = [
        s for s in module.symbols
        if s.kind == "method" and s.name.startswith(f"{symbol.name}.")
    ]
    span = range(symbol.first, symbol.last + 1)
    return [
        lines[number - 1] for number in span
        if not any(s.first <= number <= s.last for s in inner)
    ]


def _landmark(whole: Document, landmark: Landmark, lines: list[str]) -> Document:
    code = textwrap.dedent("\n".join(lines[landmark.first - 1 : landmark.last]))
    return _inside(
        whole, "symbol", f"L{landmark.first}", title=landmark.name,
        id=f"{whole.slug}#L{landmark.first} {landmark.name}",
        section=landmark.symbol or "", heading=landmark.name, body=code, code=code,
        names=(landmark.name,), hint=0.8,
    )


def _sentence(rows: Iterable[Word]) -> str:
    """The rows of a symbols table as one text: "temperature: sharpens the softmax"."""
    cells = (f"{row.variable or row.letter}: {row.meaning}" for row in rows)
    return "; ".join(re.sub("[`$]", "", cell) for cell in cells)


def formula_words(document: Document) -> str:
    """A formula's commands as words, letters left out: "sum exp tau"."""
    return " ".join(t for t in formula.tokens(document.formula) if len(t) > 1)
