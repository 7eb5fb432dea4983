"""Lists of references, as books and posts end in them, and who cites them how."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kb.exchange.notes.known import ARXIV, surname
from kb.exchange.notes.passages import Passage, plain

HEADING = re.compile(r"^(references|bibliography|literature|sources)\W*$", re.I)
ENTRY = re.compile(r"^\s*(?:[-*•]\s+|\[(\d+)\]\s*)(.*)$")
QUOTED = re.compile(r"[“\"](.+?)[.,]?[”\"]")
YEAR = re.compile(r"\b(?:19|20)\d\d\b")
NAME = r"[A-Z][\w’'-]+"
CITED = re.compile(rf"({NAME})(?:\s+(?:et al\.?|and\s+{NAME}))?,?\s*\((\d{{4}})\)")
NUMBER = re.compile(r"\[(\d{1,3})\]")


@dataclass(frozen=True)
class Reference:
    """One entry of a list; number 0 where the list is not numbered."""

    line: int
    number: int
    authors: tuple[str, ...]
    title: str
    year: int | None
    arxiv: str


def is_list(passage: Passage) -> bool:
    """Whether this is the list at the end, and not a chapter's sources."""
    return not passage.chapter and bool(HEADING.match(plain(passage.heading)))


def entries(passages: list[Passage]) -> list[Reference]:
    """All entries of a file's lists of references."""
    return [ref for p in passages if is_list(p) for ref in _entries(p)]


def _entries(passage: Passage) -> Iterator[Reference]:
    for line, text in enumerate(passage.body, start=passage.body_first):
        entry = ENTRY.match(text)
        if not entry:
            continue
        quoted = QUOTED.search(entry[2])
        before = entry[2][: quoted.start()] if quoted else ""
        after = entry[2][quoted.end() :] if quoted else entry[2]
        years = YEAR.findall(before) or YEAR.findall(re.sub(r"\S+/\S+", "", after))
        number = ARXIV.search(entry[2])
        yield Reference(
            line, int(entry[1] or 0), _authors(before),
            quoted[1].strip() if quoted else "",
            int(years[-1]) if years else None, number[1] if number else "",
        )


def _authors(text: str) -> tuple[str, ...]:
    """`Amir, Shir, Yossi Gandelsman, and Tali Dekel. 2021.` in the usual order."""
    bare = re.sub(r"\bet al\b\.?|\b\d{4}\b", "", text)
    people = [p.strip(" .,") for p in re.split(r",\s*(?:and\s+)?|\s+and\s+", bare)]
    people = [person for person in people if person]
    if len(people) > 1:  # only the first stands with the surname in front
        people[:2] = [f"{people[1]} {people[0]}"]
    return tuple(people)


def cited_in(passage: Passage, listed: list[Reference]) -> list[Reference]:
    """The entries that a chapter's list of sources names, as `Author et al. (year)`."""
    found = []
    for name, year in CITED.findall("\n".join(passage.body)):
        found += [
            ref for ref in listed
            if ref.authors and surname(ref.authors[0]) == surname(name)
            and str(ref.year) == year
        ]
    return found
