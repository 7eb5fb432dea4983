"""One paper of the collection: summary, code and proof, each read when first asked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from django.utils.safestring import SafeString, mark_safe

from demos.offers import abilities
from demos.specs import CASES, Demo, offered_by
from kb.catalogue import golden, listing, metadata
from kb.catalogue.around import Around
from kb.catalogue.bibtex import bibtex
from kb.catalogue.code import Module
from kb.catalogue.entries import Entry
from kb.catalogue.golden import GoldenCase
from kb.catalogue.landmarks import Lines
from kb.catalogue.letters import symbols_table
from kb.catalogue.parts import PARTS
from kb.catalogue.plain import plain
from kb.catalogue.problems import Problem
from kb.catalogue.sink import Drawing, Equation, Sink

if TYPE_CHECKING:
    from kb.catalogue.questions import Question

WANTED = ("reconstruction", "attention")  # the demos that most visitors come for


@dataclass(frozen=True)
class Section:
    """One `## ` section. html is safe; text is its words without display equations."""

    id: str
    title: str
    html: SafeString
    text: str
    line: int


@dataclass(frozen=True)
class Page:
    """What rendering the Markdown gives."""

    sections: list[Section]
    equations: list[Equation]
    figures: list[Drawing]
    questions: list[Question]
    code_links: list[tuple[str, Lines]]  # section id, lines


@dataclass(eq=False)
class Paper:
    """An entry of ours, or (`is_note`) a reader's own note, which has no code."""

    slug: str
    entry: Entry
    shelf: Mapping[str, Paper] = field(repr=False)  # all papers, for links between them
    module: Module | None = None
    golden_dir: Path | None = None
    home: Path | None = None  # the folder papers/, for texts of our own
    unread: bool = False  # its module is there, and is no Python

    @property
    def is_note(self) -> bool:
        return self.home is None

    @property
    def path(self) -> Path:
        return self.entry.path

    @cached_property
    def title(self) -> str:
        title = metadata.text(self.entry.meta, "title") or self.entry.heading
        return title or self.path.stem

    @cached_property
    def short(self) -> str:
        return metadata.text(self.entry.meta, "short") or self.title

    @cached_property
    def authors(self) -> list[str]:
        key = "authors" if "authors" in self.entry.meta else "author"
        return metadata.words(self.entry.meta, key)

    @cached_property
    def year(self) -> int | None:
        return metadata.year(self.entry.meta)

    @cached_property
    def venue(self) -> str:
        return metadata.text(self.entry.meta, "venue")

    @cached_property
    def arxiv(self) -> str:
        return metadata.text(self.entry.meta, "arxiv")

    @cached_property
    def code_url(self) -> str:
        """Address of the authors' code; only http(s) is taken."""
        url = metadata.text(self.entry.meta, "code")
        return url if url.startswith(("https://", "http://")) else ""

    @cached_property
    def part(self) -> str:
        part = metadata.text(self.entry.meta, "part")
        return part if part in PARTS and not self.is_note else "notes"

    @cached_property
    def family(self) -> str:
        return metadata.text(self.entry.meta, "family")

    @cached_property
    def aliases(self) -> list[str]:
        return metadata.words(self.entry.meta, "aliases")

    @cached_property
    def tags(self) -> list[str]:
        return metadata.words(self.entry.meta, "tags")

    @cached_property
    def follows(self) -> list[str]:
        """Slugs of the papers it answers; some may have no entry yet."""
        return metadata.words(self.entry.meta, "follows")

    @property
    def builds_on(self) -> list[str]:
        """Slugs of the papers whose modules its module imports."""
        return [slug for slug in self._imports if slug in self.shelf]

    @property
    def built_on_by(self) -> list[str]:
        return [p.slug for p in self.shelf.values() if self.slug in p.builds_on]

    @cached_property
    def _imports(self) -> list[str]:
        return self.module.imports if self.module else []

    @cached_property
    def page(self) -> Page:
        from kb.catalogue import markup, questions  # Markdown: not needed to start

        around = Around(
            self.shelf, self.home, self.module, self.entry.report, self.unread
        )
        sink = Sink(around, must_link=not self.is_note)
        raw = self.entry.sections
        sink.table = symbols_table("\n".join(section.source for section in raw))
        pages = markup.render(raw, sink)
        sections = [
            Section(
                s.id, s.title or self.title, mark_safe(html),  # noqa: S308  nh3 cleaned
                plain(html), s.line,
            )
            for s, html in zip(raw, pages, strict=True)
        ]
        asked = [q for s in sections for q in questions.split(s.html, s.id)[1]]
        return Page(sections, sink.equations, sink.figures, asked, sink.code_links)

    @property
    def sections(self) -> list[Section]:
        return self.page.sections

    @property
    def equations(self) -> list[Equation]:
        return self.page.equations

    def section(self, name: str) -> Section | None:
        return next((s for s in self.sections if s.id == name), None)

    @property
    def tldr(self) -> str:
        """Plain words of the TL;DR, or of a note's first section."""
        found = self.section("tldr") or next(iter(self.sections), None)
        return found.text if found else ""

    @cached_property
    def listing(self) -> SafeString:
        """The module's lines as HTML; each knows which text points to it."""
        if not self.module:
            return SafeString("")
        anchors: dict[int, str] = {}
        for symbol in self.module.symbols:
            anchors.setdefault(symbol.first, symbol.name)
        html = listing.render(self.module.html_lines, anchors, self.pointing)
        return mark_safe(html)  # noqa: S308  every line is escaped where it is made

    @cached_property
    def pointing(self) -> dict[int, list[str]]:
        """Line -> ids of the equations and sections that point to it."""
        links = [(e.id, Lines(e.first, e.last)) for e in self.equations if e.first]
        links += self.page.code_links
        pointing: dict[int, list[str]] = {}
        for source, lines in links:
            for number in range(lines.first, lines.last + 1):
                sources = pointing.setdefault(number, [])
                if source not in sources:
                    sources.append(source)
        return pointing

    @cached_property
    def golden(self) -> list[GoldenCase]:
        return golden.read(self.golden_dir) if self.golden_dir else []

    @cached_property
    def demos(self) -> list[Demo]:
        """What its module can run: what most come for, then what it is the example of.

        Inherited methods count, and so do stored cases; going through them comes last.
        """
        found = offered_by(abilities(self.module.path)) if self.module else []

        def place(demo: Demo) -> tuple[bool, int, bool]:
            rank = WANTED.index(demo.name) if demo.name in WANTED else len(WANTED)
            return CASES in demo.needs, rank, demo.example != self.slug

        return sorted(found, key=place)

    @property
    def picture_demos(self) -> list[Demo]:
        """The demos that draw: all but those that go through stored cases."""
        return [demo for demo in self.demos if CASES not in demo.needs]

    @cached_property
    def bibtex(self) -> str:
        return bibtex(
            self.slug, self.title, self.authors, self.year, self.venue, self.arxiv
        )

    @cached_property
    def text_hash(self) -> str:
        """Changes with the entry's text or the module's source."""
        source = self.module.source if self.module else ""
        parts = [str(sorted(self.entry.meta.items(), key=str)), source]
        parts += [f"{s.title}\n{s.source}" for s in self.entry.sections]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @property
    def problems(self) -> list[Problem]:
        """All that is wrong with it; renders the text to find out."""
        _ = self.page
        return self.entry.problems
