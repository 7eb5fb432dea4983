"""What is searched: papers with their sections, questions, drawings, symbols and
equations, the concepts they share, the numbers they report and the demos they offer.

A document knows the exact place that it stands for, so that a hit opens there.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from kb.catalogue.letters import atoms
from kb.search import demos, formula, ideas, numbers
from kb.search.place import KINDS, Document, inside

if TYPE_CHECKING:
    from kb.catalogue.code import Module, Symbol
    from kb.catalogue.landmarks import Landmark
    from kb.catalogue.letters import Word
    from kb.catalogue.library import Library
    from kb.catalogue.papers import Paper, Section
    from kb.catalogue.questions import Question
    from kb.catalogue.sink import Drawing, Equation

__all__ = ["KINDS", "Document", "documents", "formula_words", "of_paper"]

# Front matter and references: found, but rarely what is looked for. Questions are
# places of their own, so their section repeats them.
MINOR_SECTIONS = {"sources": 0.3, "results": 0.8, "recipe": 0.8, "questions": 0.8}

# "mae diagram" means its drawing.
DRAWING_WORDS = ("drawing", "figure", "diagram")


# Against what a paper's golden cases were computed, by whether any case is from code
# of others and whether any is derived.
CHECKED = {
    (True, False): "code", (True, True): "mixed", (False, True): "formulas",
    (False, False): "",
}


def documents(library: Library) -> list[Document]:
    """Every document of the library, in its order; ids are unique."""
    found = [d for paper in library.papers.values() for d in of_paper(paper)]
    wholes = {each.slug: each for each in found if each.kind == "paper"}
    found += [*ideas.documents(library), *numbers.documents(wholes)]
    found += demos.documents(library, wholes)
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
        has=tuple(name for name, things in has.items() if things),
        checked=_checked(paper), hint=1.1,
    )


def _checked(paper: Paper) -> str:
    by_code = [bool(case.repository) for case in paper.golden]
    return CHECKED[any(by_code), not all(by_code)]


def _section(whole: Document, section: Section) -> Document:
    short = whole.paper[0]
    return inside(
        whole, "section", section.id, title=f"{short}: {section.title}",
        section=section.title, heading=section.title, body=section.text,
        names=(f"{short} {section.title}",),
        hint=MINOR_SECTIONS.get(section.id, 1.0),
    )


def _question(whole: Document, question: Question, section: str) -> Document:
    """A section of its own: who asks the same opens the page at the answer."""
    short = whole.paper[0]
    return inside(
        whole, "section", question.id, title=f"{short}: {question.title}",
        section=section, heading=question.title, body=question.text,
        names=(question.title,),
    )


def _drawing(whole: Document, drawing: Drawing, section: str) -> Document:
    """Found by what it shows; its words repeat the text, so the text goes first."""
    short, shows = whole.paper[0], drawing.shows
    told = [shows.alt, drawing.caption, "; ".join(shows.words)]
    return inside(
        whole, "figure", drawing.id, title=f"{short}: drawing, {shows.title}",
        section=section, heading=f"{shows.title}, drawing", body="\n".join(told),
        names=(shows.title, *(f"{short} {word}" for word in DRAWING_WORDS)), hint=0.7,
    )


def _equation(whole: Document, equation: Equation, section: str) -> Document:
    short = whole.paper[0]
    words = _sentence(equation.words)
    symbol, _, landmark = (equation.target or "").partition("#")
    return inside(
        whole, "equation", equation.id, title=f"{short}: equation {equation.number}",
        section=section, heading=landmark, body=words or landmark or symbol,
        names=(f"{short} equation {equation.number}", *filter(None, [landmark])),
        code=symbol, formula=f"{equation.latex}\n{words}\n{_called(equation.words)}",
        hint=0.9,
    )


def _symbol(
    whole: Document, module: Module, symbol: Symbol, code: list[str]
) -> Document:
    last = symbol.name.rpartition(".")[2]
    return inside(
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
    return inside(
        whole, "symbol", f"L{landmark.first}", title=landmark.name,
        id=f"{whole.slug}#L{landmark.first} {landmark.name}",
        section=landmark.symbol or "", heading=landmark.name, body=code, code=code,
        names=(landmark.name,), hint=0.8,
    )


def _sentence(rows: Iterable[Word]) -> str:
    """The rows of a symbols table as one text: "temperature: sharpens the softmax"."""
    cells = (f"{row.variable or row.letter}: {row.meaning}" for row in rows)
    return "; ".join(re.sub("[`$]", "", cell) for cell in cells)


def _called(rows: Iterable[Word]) -> str:
    """What single letters are called: they are in the formula, not only spoken of."""
    return " ".join(row.variable for row in rows if len(atoms(row.letter)) == 1)


def formula_words(document: Document) -> str:
    """A formula's commands as words, letters left out: "sum exp tau"."""
    return " ".join(t for t in formula.tokens(document.formula) if len(t) > 1)
