"""Papers as references: BibTeX, RIS and CSL-JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import rispy

from kb.catalogue import bibtex
from kb.catalogue.papers import Paper
from kb.exchange.people import person

RIS_TYPES = {"conference": "CPAPER", "journal": "JOUR", "preprint": "UNPB"}
CSL_TYPES = {
    "conference": "paper-conference",
    "journal": "article-journal",
    "preprint": "article",
}


@dataclass(frozen=True)
class Format:
    """One way to write references; write takes papers and gives a whole file."""

    suffix: str
    content_type: str
    write: Callable[[Iterable[Paper]], str]


def to_bibtex(papers: Iterable[Paper]) -> str:
    """Entries with an empty line between them."""
    return "\n".join(paper.bibtex for paper in papers)


def to_ris(papers: Iterable[Paper]) -> str:
    """RIS, which Zotero, Mendeley and EndNote read."""
    rows = [_ris(paper) for paper in papers]
    text: str = rispy.dumps(rows, implementation=_Writer)
    return text


class _Writer(rispy.RisWriter):
    """Without the numbers between references, which the format does not know."""

    def set_header(self, count: int) -> str:
        return ""


def to_csl(papers: Iterable[Paper]) -> str:
    """A CSL-JSON array, which pandoc and Zotero read."""
    items = [_csl(paper) for paper in papers]
    return json.dumps(items, ensure_ascii=False, indent=2) + "\n"


FORMATS = {
    "bibtex": Format("bib", "application/x-bibtex; charset=utf-8", to_bibtex),
    "ris": Format("ris", "application/x-research-info-systems; charset=utf-8", to_ris),
    "csl-json": Format("json", "application/vnd.citationstyles.csl+json", to_csl),
}


def citable(papers: Iterable[Paper]) -> list[Paper]:
    """Our own entries: a reader's notes are no publications."""
    return [paper for paper in papers if not paper.is_note]


def _key(paper: Paper) -> str:
    return bibtex.key(paper.slug, paper.authors, paper.year)


def _address(paper: Paper) -> str:
    return f"https://arxiv.org/abs/{paper.arxiv}" if paper.arxiv else ""


def _ris(paper: Paper) -> dict[str, Any]:
    fields = {
        "type_of_reference": RIS_TYPES[bibtex.kind(paper.venue)],
        "id": _key(paper),
        "authors": [person(name).inverted for name in paper.authors],
        "title": paper.title,
        "secondary_title": paper.venue,
        "year": str(paper.year or ""),
        "urls": [_address(paper)] if paper.arxiv else [],
    }
    return {name: value for name, value in fields.items() if value}


def _csl(paper: Paper) -> dict[str, Any]:
    kind = bibtex.kind(paper.venue)
    place = "publisher" if kind == "preprint" else "container-title"
    fields = {
        "id": _key(paper),
        "type": CSL_TYPES[kind],
        "title": paper.title,
        "author": [_csl_name(name) for name in paper.authors],
        "issued": {"date-parts": [[paper.year]]} if paper.year else None,
        place: paper.venue,
        "archive": "arXiv" if paper.arxiv else "",
        "archive_location": paper.arxiv,
        "URL": _address(paper),
    }
    return {name: value for name, value in fields.items() if value}


def _csl_name(name: str) -> dict[str, str]:
    parts = person(name)
    found = {
        "family": parts.family, "given": parts.given,
        "non-dropping-particle": parts.particle,
    }
    return {part: value for part, value in found.items() if value}
