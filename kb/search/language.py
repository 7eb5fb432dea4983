"""The query language: what a visitor types, as a tree of our own.

    masked autoencoder       both words, or the nearest there is
    "stop gradient"          side by side
    -video                   without; in a formula (`L = -log p`) a plain minus
    enc*                     words that begin so
    title: def: code: eq:    look there only
    author: year:2020..2022 part: family: tag: has:demo checked:code kind:equation

Nothing is an error. What cannot be read as an operator is read as words, and
`Query.notes` says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from kb.search import analysis

MAX_TERMS = 16
MAX_CHARACTERS = 400

PLACES = ("title", "def", "code", "eq")
FILTERS = ("author", "year", "part", "family", "tag", "has", "checked", "kind")

# A query of three words or more that begins so is a question without its mark.
BEGINNINGS = """are can could did do does has have how is must should was what when
where which who why will would"""
ASKING = frozenset(BEGINNINGS.split())

_FIELD = rf"(?:({'|'.join(PLACES + FILTERS)})[:=]\s*)?"
_ITEM = re.compile(rf'(-*){_FIELD}(?:"([^"]*)("|$)|(\S+))', re.IGNORECASE)
# A command, or what is written for one: \tau, τ, sqrt d, x^2.
_LATEX = re.compile(r"\\[A-Za-z]|[α-ωΓ-Ω]|\bsqrt\b|\w\^")
# With one of these it is a formula; those after a field are the field's.
_EQUATING = re.compile(r"[=\\]")
_ROOT = re.compile(r"(?:\b1\s*/\s*)?(?:(\\?)\bsqrt\b|√)")  # one over is over
# An address or a label around a number says no more than the number.
_ARXIV = re.compile(
    r"(?:https?://)?(?:www\.)?arxiv(?:\.org/\w+/|[:\s]\s*)(\d{4}\.\d{4,5})(?:v\d+)?(?:\.pdf)?",
    re.IGNORECASE,
)
# Who did it stands on the card of what was done.
_BY_WHOM = re.compile(
    r"^\s*who\s+(?:wrote|invented|proposed|introduced|made|created|published)\b", re.I
)
_YEARS = re.compile(r"(\d{4})?(\.\.)?(\d{4})?")


@dataclass(frozen=True)
class Word:
    """One word, perhaps in one place only (`title`, `def`, `code`, `eq`)."""

    text: str
    place: str = ""
    negated: bool = False


@dataclass(frozen=True)
class Phrase(Word):
    """Words side by side."""


@dataclass(frozen=True)
class Prefix(Word):
    """Words that begin with the text."""


@dataclass(frozen=True)
class Filter:
    """A property of the paper; `value` is folded to lower case."""

    name: str
    value: str
    negated: bool = False


@dataclass(frozen=True)
class Query:
    """A parsed query: what to look for, what must hold, and what was made of slips."""

    words: tuple[Word, ...] = ()
    filters: tuple[Filter, ...] = ()
    notes: tuple[str, ...] = ()
    asks: bool = False  # a question in plain words
    latex: bool = False  # with a command as `\\tau`, or written like a formula

    @property
    def wanted(self) -> tuple[Word, ...]:
        """Words that a hit should hold."""
        return tuple(word for word in self.words if not word.negated)

    @property
    def unwanted(self) -> tuple[Word, ...]:
        """Words that no hit may hold."""
        return tuple(word for word in self.words if word.negated)


def parse(text: str) -> Query:
    """Read any text as a query. Never raises."""
    notes = []
    text = _BY_WHOM.sub("", _ARXIV.sub(r"\1", _printable(text)))
    text = _ROOT.sub(r" \1sqrt ", text)
    if len(text) > MAX_CHARACTERS:
        text = text[:MAX_CHARACTERS]
        notes.append(f"only the first {MAX_CHARACTERS} characters were read")
    found: list[Word] = []
    filters: list[Filter] = []
    items = list(_ITEM.finditer(text))
    formula = any(_EQUATING.search(item[0]) for item in items if not item[2])
    for item in items:
        read = _read(item, notes, formula=formula)
        if isinstance(read, Filter):
            filters.append(read)
        else:
            found.extend(read)
    words = _capped(found, notes)
    return Query(
        words, tuple(dict.fromkeys(filters))[:MAX_TERMS], tuple(notes),
        asks=_asks(text, words), latex=bool(_LATEX.search(text)),
    )


def years(value: str) -> tuple[int, int] | None:
    """`2021`, `2020..2022`, `2020..` or `..2022` as first and last year."""
    match = _YEARS.fullmatch(value)
    if not match or not (match[1] or match[3]):
        return None
    if not match[2]:
        return (int(match[1]), int(match[1])) if match[1] and not match[3] else None
    return int(match[1] or 0), int(match[3] or 9999)


def _printable(text: str) -> str:
    """Control characters and lone surrogates are spaces, quotes are plain quotes.

    Words in nothing but capitals are shouted, and mean what they mean in small ones.
    """
    text = re.sub(r"[“”„«»]", '"', text)
    if text.isupper() and len(text.split()) > 2:
        text = text.lower()
    return "".join(c if c.isprintable() else " " for c in text)


def _asks(text: str, words: tuple[Word, ...]) -> bool:
    if any(word.place for word in words):
        return False
    begins_so = len(words) > 2 and words[0].text.lower() in ASKING
    return begins_so or (len(words) > 1 and "?" in text)


def _read(
    item: re.Match[str], notes: list[str], *, formula: bool
) -> Filter | list[Word]:
    dashes, field, quoted, closing, bare = item.groups()
    field = (field or "").lower()
    negated = bool(dashes) and not (formula and not field)
    value = quoted if bare is None else bare
    if bare is None and not closing and quoted.strip():
        notes.append("the quotation mark was never closed")
    if field in FILTERS:
        return _filter(field, value, negated, notes)
    if bare is None:
        return _phrase(quoted, field, negated)
    return _bare(bare, field, negated)


def _filter(
    field: str, value: str, negated: bool, notes: list[str]
) -> Filter | list[Word]:
    folded = " ".join(analysis.fold(value).lower().replace('"', " ").split())
    if field == "year" and years(folded) is None:
        notes.append(f"“{value}” is not a year, so it was read as words")
        return _bare(value, "", negated)
    return Filter(field, folded, negated) if folded else []


def _phrase(text: str, place: str, negated: bool) -> list[Word]:
    inside = [match[0] for match in analysis.words(text)]
    if len(inside) < 2:
        return [Word(word, place, negated) for word in inside]
    return [Phrase(" ".join(inside), place, negated)]


def _bare(text: str, place: str, negated: bool) -> list[Word]:
    if place == "eq":
        return [Word(text, place, negated)]
    inside = [match[0] for match in analysis.words(text)]
    read = [Word(word, place, negated) for word in inside]
    if inside and re.search(r"\w\*+$", text) and len(inside[-1]) > 1:
        read[-1] = Prefix(inside[-1], place, negated)
    return read


def _capped(found: list[Word], notes: list[str]) -> tuple[Word, ...]:
    """The first MAX_TERMS words that count; a phrase counts with all its words."""
    kept: list[Word] = []
    terms = 0
    for word in found:
        room = MAX_TERMS - terms
        size = sum(w.lower() not in analysis.STOP_WORDS for w in word.text.split())
        if size > room:
            notes.append(f"only the first {MAX_TERMS} words were used")
            if room and isinstance(word, Phrase):
                kept.append(replace(word, text=" ".join(word.text.split()[:room])))
            break
        terms += size
        kept.append(word)
    return tuple(dict.fromkeys(kept))
