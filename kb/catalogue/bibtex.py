"""How to cite a paper in BibTeX. Every page, file and API answer takes it from here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from kb.catalogue.entries import slugify

if TYPE_CHECKING:
    from pylatexenc.latexencode import UnicodeToLatexEncoder

JOURNALS = frozenset({"tmlr", "jmlr", "tpami", "pami", "ijcv", "nature", "science"})
PLAIN = frozenset({r"\&", r"\%", r"\$", r"\#", r"\_"})  # read the same without braces

# Kind of publication -> entry type, and the field that names where.
ENTRY = {
    "conference": ("inproceedings", "booktitle"),
    "journal": ("article", "journal"),
    "preprint": ("misc", "howpublished"),
}


def key(slug: str, authors: Sequence[str], year: int | None) -> str:
    """First author's surname, year and slug: `he2022mae`. It never changes."""
    surname = slugify(authors[0].split()[-1], "") if authors else ""
    return f"{surname}{year or ''}{slug}"


def kind(venue: str) -> str:
    """What sort of publication a venue makes: conference, journal or preprint."""
    if not venue or "arxiv" in venue.lower():
        return "preprint"
    return "journal" if venue.lower() in JOURNALS else "conference"


def bibtex(
    slug: str, title: str, authors: Sequence[str], year: int | None, venue: str,
    arxiv: str,
) -> str:
    """A BibTeX entry in plain ASCII; fields without a value are left out."""
    import bibtexparser  # a tenth of a second: not needed to start
    from bibtexparser.model import Entry, Field

    entry_type, place = ENTRY[kind(venue)]
    fields = {
        "title": f"{{{_latex(title)}}}",  # braces keep the capitals
        "author": _latex(" and ".join(authors)),
        place: _latex(venue),
        "year": str(year or ""),
        "eprint": arxiv,
        "archivePrefix": "arXiv" if arxiv else "",
    }
    rows = [Field(name, value) for name, value in fields.items() if value]
    library = bibtexparser.Library([Entry(entry_type, key(slug, authors, year), rows)])
    layout = bibtexparser.BibtexFormat()
    layout.indent = "  "
    return bibtexparser.write_string(library, bibtex_format=layout).strip() + "\n"


def _latex(text: str) -> str:
    latex: str = _encoder().unicode_to_latex(text)
    return latex


@cache
def _encoder() -> UnicodeToLatexEncoder:
    from pylatexenc.latexencode import UnicodeToLatexEncoder

    # BibTeX takes an accent for one letter only inside braces: Doll{\'a}r.
    return UnicodeToLatexEncoder(
        replacement_latex_protection=lambda latex: (
            latex if latex in PLAIN else f"{{{latex}}}"
        ),
        unknown_char_policy="keep", unknown_char_warning=False,
    )
