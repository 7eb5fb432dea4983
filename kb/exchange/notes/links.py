"""Addresses of papers in a text: arXiv, DOIs of arXiv, open-access proceedings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from kb.exchange.notes.known import ARXIV, Known, slug_for
from kb.exchange.notes.names import Names

LINK = re.compile(r"\[([^\]]+)\]\((https?://[^\s)]+)\)|<?(https?://[^\s)>\]]+)")
OF_PAPERS = re.compile(
    r"arxiv\.org/(?:abs|pdf)/|doi\.org/|openaccess\.thecvf\.com|openreview\.net|"
    r"proceedings\.|aclanthology\.org|/papers?/", re.I,
)
CVF = re.compile(r"/([^/_]+)_([^/]+)_(CVPR|ICCV|ECCV|WACV)_(\d{4})_paper", re.I)
TITLE_WORDS = 3


@dataclass(frozen=True)
class Link:
    """A link to a paper; text is empty for a bare address."""

    line: int
    text: str
    url: str

    @property
    def title(self) -> str:
        """Words of the title in a proceedings' address; empty in any other."""
        found = CVF.search(unquote(self.url))
        return found[2].replace("_", " ") if found else ""


def in_lines(lines: list[str], first: int) -> Iterator[Link]:
    """The links to papers in lines of which the first has number `first`."""
    for number, line in enumerate(lines, start=first):
        for match in LINK.finditer(line):
            url = match[2] or match[3]
            if OF_PAPERS.search(url):
                yield Link(number, match[1] or "", url)


def by_address(link: Link, names: Names) -> str | None:
    """The paper that the address itself is of."""
    return names.by_arxiv(link.url) or (
        names.by_title(link.title) if link.title else None
    )


def meant(link: Link, names: Names) -> str | None:
    """The paper a link means: the one its text names, or else its address."""
    named = names.exact(link.text) or (names.by_title(link.text) if link.text else None)
    return named or by_address(link, names)


def new_paper(link: Link, heading: str, names: Names) -> Known | None:
    """A paper the library lacks, if the link or the heading above tells its title."""
    titled = len(link.text.split()) >= TITLE_WORDS
    title = link.text if titled else link.title or heading
    if not title:
        return None
    found, number = CVF.search(unquote(link.url)), ARXIV.search(link.url)
    head, colon, _ = title.partition(": ")
    short = head if colon and len(head.split()) <= TITLE_WORDS else ""
    return Known(
        slug_for(short, title, names.papers), title, short,
        year=int(found[4]) if found else None, venue=found[3].upper() if found else "",
        arxiv=number[1] if number else "", is_new=True,
    )
