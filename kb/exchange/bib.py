"""BibTeX in: entries as papers."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import bibtexparser
from bibtexparser.middlewares import LatexDecodingMiddleware
from bibtexparser.middlewares.names import split_multiple_persons_names

from kb.exchange.notes.known import ARXIV, Known, slug_for, surname
from kb.exchange.notes.source import Remark
from kb.exchange.people import in_order

if TYPE_CHECKING:
    from bibtexparser.model import Entry

PLACES = ("booktitle", "journal", "journaltitle", "howpublished", "publisher")
NUMBER = re.compile(r"\d{4}\.\d{4,5}|[a-z-]+/\d{7}")

# The parser logs what it skips; the report says the same with the line.
logging.getLogger("bibtexparser").setLevel(logging.ERROR + 1)


def read(text: str) -> tuple[list[Known], list[Remark]]:
    """(a paper for each entry with a title, what could not be taken and why)."""
    found = bibtexparser.parse_string(
        text, append_middleware=[LatexDecodingMiddleware()]
    )
    papers: list[Known] = []
    broken = "this entry cannot be read; check its braces"
    remarks = [Remark((b.start_line or 0) + 1, broken) for b in found.failed_blocks]
    for entry in found.entries:
        paper = _paper(entry, [paper.slug for paper in papers])
        if paper.title:
            papers.append(paper)
        else:
            line = (entry.start_line or 0) + 1
            remarks.append(Remark(line, f"{entry.key} has no title and was left out"))
    return papers, remarks


def _paper(entry: Entry, taken: list[str]) -> Known:
    fields = {f.key.lower(): " ".join(str(f.value).split()) for f in entry.fields}
    people = split_multiple_persons_names(fields.get("author", ""))
    authors = tuple(in_order(name) for name in people if name != "others")
    found = re.search(r"\d{4}", fields.get("year", "") or fields.get("date", ""))
    year = int(found[0]) if found else None
    title = fields.get("title", "")
    venue = next((fields[place] for place in PLACES if fields.get(place)), "")
    words = re.split(r"\s*[,;]\s*", fields.get("keywords", ""))
    return Known(
        _slug(entry.key, authors, year, title, taken), title, authors=authors,
        year=year, venue=venue, arxiv=_arxiv(fields), tags=tuple(filter(None, words)),
        is_new=True,
    )


def _slug(
    key: str, authors: tuple[str, ...], year: int | None, title: str, taken: list[str]
) -> str:
    """Ours from a key of ours (`he2022mae`), else the first words of the title."""
    prefix = f"{surname(authors[0]) if authors else ''}{year or ''}"
    own = re.fullmatch(rf"{re.escape(prefix)}([a-z][a-z0-9_]*)", key)
    return slug_for(own[1] if own and prefix else "", title, taken)


def _arxiv(fields: dict[str, str]) -> str:
    """From eprint, or from wherever else exporters write it."""
    number = NUMBER.search(fields.get("eprint", ""))
    if number:
        return number[0]
    rest = " ".join(fields.get(name, "") for name in ("journal", "url", "doi", "note"))
    found = ARXIV.search(rest)
    return found[1] if found else ""
