"""What is known of a paper: from the library, from a reference, or from a heading."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rapidfuzz import fuzz

from kb.catalogue.entries import slugify
from kb.catalogue.papers import Paper

ARXIV = re.compile(
    r"(?:arxiv(?:\.org/\w+/|[.:\s]\s*)|\babs/)(\d{4}\.\d{4,5})(?!\d)", re.I
)
SMALL_WORDS = frozenset(["a", "an", "the", "of", "for", "with", "in", "on", "by", "to"])


@dataclass(frozen=True)
class Known:
    """A paper to assign passages to. is_new: it has no entry in the library."""

    slug: str
    title: str
    short: str = ""
    authors: tuple[str, ...] = ()
    year: int | None = None
    venue: str = ""
    arxiv: str = ""
    code: str = ""
    part: str = ""
    family: str = ""
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    is_new: bool = False


def of(paper: Paper) -> Known:
    """A paper of the library."""
    short = "" if paper.short == paper.title else paper.short
    return Known(
        paper.slug, paper.title, short, tuple(paper.authors), paper.year,
        paper.venue, paper.arxiv, paper.code_url, paper.part, paper.family,
        tuple(paper.aliases), tuple(paper.tags),
    )


def slug_for(short: str, title: str, taken: Iterable[str]) -> str:
    """A free slug for a new paper: its short name, or the first words of its title."""
    words = [w for w in title.split() if w.lower() not in SMALL_WORDS]
    stem = slugify(short or " ".join(words[:4]), "_") or "paper"
    slug, number, used = stem, 1, set(taken)
    while slug in used:
        number += 1
        slug = f"{stem}_{number}"
    return slug


def surname(author: str) -> str:
    """`He, Kaiming` and `Kaiming He` both give `he`."""
    name = author.split(",")[0] if "," in author else author.split()[-1]
    return slugify(name.replace("’", "").replace("'", ""), "")


def same_paper(
    known: Known, title: str, authors: Iterable[str], year: int | None
) -> bool:
    """Whether a reference means this paper, by its title.

    A preprint's title often changes until it is published, so half of the words are
    enough where first author and year agree.
    """
    score = fuzz.token_sort_ratio(_folded(known.title), _folded(title))
    first = next(iter(authors), "")
    by_same = bool(first and known.authors) and surname(first) == surname(
        known.authors[0]
    )
    near = bool(year and known.year) and abs((year or 0) - (known.year or 0)) <= 1
    return score >= 92 or (score >= 50 and by_same and near)


def _folded(title: str) -> str:
    return slugify(title.replace("-", ""), " ")
