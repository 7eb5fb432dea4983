"""Books and posts: a chapter is about one paper, and so is all that stands in it."""

from __future__ import annotations

import re
from itertools import groupby

from kb.exchange.notes import known, links, placed, references
from kb.exchange.notes.known import Known
from kb.exchange.notes.names import Names
from kb.exchange.notes.passages import Passage, plain
from kb.exchange.notes.placed import Placed
from kb.exchange.notes.references import Reference

SOURCES = re.compile(r"^(sources?|papers?|references)\W*$", re.I)
NEAR = 3  # lines below a heading in which a link is the paper's own
FEWEST_WORDS = 4  # of a heading that may be a title


def assign(passages: list[Passage], names: Names, about: str) -> list[Placed]:
    """Places all passages of a file. about: the file's own title, or nothing."""
    listed = references.entries(passages)
    whole = names.topic(about)
    found: list[Placed] = []
    for chapter, group in groupby(passages, key=lambda passage: passage.chapter):
        inside = list(group)
        if chapter:
            found += _Chapter(inside, listed, names, whole).placed()
        else:
            found += [Placed(p, None, _why(p)) for p in inside]
    return found


def _why(passage: Passage) -> str:
    if passage.is_front_matter:
        return placed.FRONT
    return placed.CITED_ONLY if references.is_list(passage) else placed.GENERAL


class _Chapter:
    """One chapter: its own paper, and sections about another one of its sources."""

    def __init__(
        self, passages: list[Passage], listed: list[Reference], names: Names,
        whole: str | None,
    ) -> None:
        self.passages, self.names = passages, names
        sources = (p for p in passages if SOURCES.match(plain(p.heading)))
        self.sources = [r for p in sources for r in references.cited_in(p, listed)]
        self.slug, self.why = self._own()
        if self.slug is None:
            self.slug, self.why = whole, "the file's title names it"

    def placed(self) -> list[Placed]:
        """Its passages; a section that names another source is about that one."""
        if self.slug is None:
            return [Placed(p, None, placed.UNNAMED) for p in self.passages]
        found = [Placed(self.passages[0], self.slug, self.why)]
        open_level, other = 0, None
        for passage in self.passages[1:]:
            if passage.level <= open_level:
                open_level, other = 0, None
            if slug := self._other(passage):
                open_level, other = passage.level, slug
            found.append(
                Placed(passage, other, "its heading names it") if other
                else Placed(passage, self.slug, self.why)
            )
        return found

    def _own(self) -> tuple[str | None, str]:
        heading = plain(self.passages[0].heading)
        slug, whole = self.names.in_heading(heading)
        if slug and whole:
            return slug, "the chapter's heading is its name"
        top = self.passages[0]
        near = list(links.in_lines(top.body[:NEAR], top.body_first))
        for link in near:
            if slug := links.meant(link, self.names):
                return slug, "the link below the heading names it"
        if not near and (slug := self.names.topic(heading)):
            return slug, "the chapter's heading names it"
        for source in self.sources:
            if slug := _in_library(source, self.names):
                return slug, "it is the chapter's first known source"
        return self._new(heading, near)

    def _new(self, heading: str, near: list[links.Link]) -> tuple[str | None, str]:
        """A paper that the library lacks: from a source, a link or the heading."""
        arxiv = next((m[1] for x in near if (m := known.ARXIV.search(x.url))), "")
        if self.sources:
            paper = _from_reference(self.sources[0], self.names)
        elif near or _like_a_title(heading):
            paper = _from_heading(heading, arxiv, self.names)
        else:
            return None, placed.UNNAMED
        return self.names.add(paper).slug, "new: not in the library"

    def _other(self, passage: Passage) -> str | None:
        """Another paper that a section's heading names.

        It must be all that the heading says, or be among the chapter's sources: a
        question like "How does MAE compare?" stays with its chapter.
        """
        slug, whole = self.names.in_heading(plain(passage.heading))
        known_sources = (_in_library(source, self.names) for source in self.sources)
        if slug and slug != self.slug and (whole or slug in known_sources):
            return slug
        return None


def _in_library(source: Reference, names: Names) -> str | None:
    by_number = names.by_arxiv(f"arXiv:{source.arxiv}") if source.arxiv else None
    return by_number or names.by_title(source.title, source.authors, source.year)


def _from_reference(source: Reference, names: Names) -> Known:
    slug = known.slug_for("", source.title, names.papers)
    return Known(
        slug, source.title, authors=source.authors, year=source.year,
        arxiv=source.arxiv, is_new=True,
    )


def _like_a_title(heading: str) -> bool:
    sentence = heading.endswith(("?", ".", "!"))
    return len(heading.split()) >= FEWEST_WORDS and not sentence


def _from_heading(heading: str, arxiv: str, names: Names) -> Known:
    """`CAN - A simple …` and `DeiT III: Revenge …` hold a short name and a title."""
    text = re.sub(r"^\d+\.?\s+", "", heading).strip()
    short, dash, title = text.partition(" - ")
    if not dash:
        short, title = text.partition(":")[0] if ":" in text else "", text
    if len(short.split()) > 3:
        short, title = "", text
    slug = known.slug_for(short, title, names.papers)
    return Known(slug, title.strip(), short, arxiv=arxiv, is_new=True)
