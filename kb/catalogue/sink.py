"""What rendering a text finds: equations, drawings, links into code, problems."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from kb.catalogue.drawing.description import Description
from kb.catalogue.entries import RawSection
from kb.catalogue.landmarks import Lines
from kb.catalogue.letters import Word

REMEDY_CODE = "name a symbol of the module, or Symbol#landmark (`# -- landmark` there)"


class Surroundings(Protocol):
    """What a text can point to."""

    def lines(self, target: str) -> Lines | None: ...
    def code_url(self, target: str) -> str | None: ...
    def is_unread(self, target: str) -> bool: ...
    def page_url(self, kind: str, name: str) -> str | None: ...
    def drawing(self, source: str) -> Description | None: ...
    def figure_url(self, source: str) -> str | None: ...
    def report(self, line: int, message: str, remedy: str) -> None: ...


@dataclass(frozen=True)
class Equation:
    """One display equation, the code that computes it, and what its letters are.

    first, last: lines of that code; 0 where there is none.
    words: rows of the entry's symbols table for the letters in it.
    """

    number: int
    latex: str
    mathml: str
    target: str
    first: int
    last: int
    section_id: str
    words: list[Word]

    @property
    def id(self) -> str:
        return f"eq-{self.number}"


@dataclass(frozen=True)
class Drawing:
    """One drawing as it stands on the page; the caption is the text's own."""

    number: int
    shows: Description
    caption: str
    section_id: str

    @property
    def id(self) -> str:
        return f"fig-{self.number}"


@dataclass
class Sink:
    """Collects what rendering finds, section by section."""

    around: Surroundings
    must_link: bool  # every equation has to name its code
    table: list[Word] = field(default_factory=list)
    equations: list[Equation] = field(default_factory=list)
    code_links: list[tuple[str, Lines]] = field(default_factory=list)  # from section id
    figures: list[Drawing] = field(default_factory=list)
    drawings: list[str] = field(default_factory=list)  # SVG of each figure
    questions: list[str] = field(default_factory=list)  # their addresses
    section: RawSection = field(default_factory=lambda: RawSection("", "", 1, ""))

    def report(self, needle: str, message: str, remedy: str) -> None:
        """A problem at the line where `needle` stands in the section."""
        position = self.section.source.find(needle)
        before = self.section.source[: max(position, 0)]
        self.around.report(self.section.line + before.count("\n"), message, remedy)

    def report_code(self, needle: str, message: str, target: str) -> None:
        """Code that is not there, but for what a broken module brings with it."""
        if not self.around.is_unread(target):
            self.report(needle, message, REMEDY_CODE)
