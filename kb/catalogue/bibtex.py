"""How to cite a paper."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kb.catalogue.entries import slugify

SPECIAL = re.compile(r"([&%$#_])")


def bibtex(
    slug: str, title: str, authors: Sequence[str], year: int | None, venue: str,
    arxiv: str,
) -> str:
    """A BibTeX entry; keys without a value are left out."""
    surname = slugify(authors[0].split()[-1], "") if authors else ""
    published = bool(venue) and "arxiv" not in venue.lower()
    fields = {
        "title": f"{{{_escape(title)}}}",
        "author": _escape(" and ".join(authors)),
        "booktitle" if published else "howpublished": _escape(venue),
        "year": str(year or ""),
        "eprint": arxiv,
        "archivePrefix": "arXiv" if arxiv else "",
    }
    kind = "inproceedings" if published else "misc"
    rows = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return f"@{kind}{{{surname}{year or ''}{slug},\n" + ",\n".join(rows) + "\n}\n"


def _escape(text: str) -> str:
    return SPECIAL.sub(r"\\\1", text)
