"""The recipe tables of two papers, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from html.parser import HTMLParser

from django.utils.safestring import SafeString, mark_safe
from rapidfuzz import fuzz
from rapidfuzz.utils import default_process

from kb.catalogue.papers import Paper
from kb.connections.words import marked

ALIKE = 72  # per cent; "batch" meets "batch, epochs", not "patch"
INSIDE_CELLS = {"a", "span"}  # links and dead links lose their tags, not their words


@dataclass(frozen=True)
class Setting:
    """One cell of a recipe: what it sets, under which heading, and to what."""

    group: str
    name: str
    value: str
    html: str

    @property
    def has_formula(self) -> bool:
        return "<math" in self.html

    @property
    def plain(self) -> str:
        return " ".join(self.value.casefold().split())


@dataclass(frozen=True)
class Row:
    """One setting of both papers, with the words that differ marked."""

    name: str
    left: SafeString
    right: SafeString
    same: bool


@dataclass(frozen=True)
class Recipes:
    """differing, equal: rows that both have; the rest stands in one of them only."""

    differing: list[Row]
    equal: list[Row]
    only_left: list[Setting]
    only_right: list[Setting]

    def __bool__(self) -> bool:
        return bool(self.differing or self.equal or self.only_left or self.only_right)


def compare(a: Paper, b: Paper) -> Recipes:
    """Rows of the section Recipe, matched by their first cells."""
    return match(settings_of(_html(a)), settings_of(_html(b)))


def _html(paper: Paper) -> str:
    section = paper.section("recipe")
    return section.html if section else ""


def match(left: Sequence[Setting], right: Sequence[Setting]) -> Recipes:
    """The most alike names first; each setting meets one other at most."""
    scored = [
        (-_alike(a, b), i, j)
        for i, a in enumerate(left) for j, b in enumerate(right)
    ]
    partner: dict[int, int] = {}
    for score, i, j in sorted(scored):
        if -score < ALIKE:
            break
        if i not in partner and j not in partner.values():
            partner[i] = j
    found = [_row(left[i], right[j]) for i, j in sorted(partner.items())]
    return Recipes(
        [row for row in found if not row.same], [row for row in found if row.same],
        [one for i, one in enumerate(left) if i not in partner],
        [one for j, one in enumerate(right) if j not in partner.values()],
    )


def _alike(a: Setting, b: Setting) -> float:
    """Likeness of the names; that of the headings decides between equals."""
    one, two = default_process(a.name), default_process(b.name)
    name = 0.6 * fuzz.token_sort_ratio(one, two) + 0.4 * fuzz.token_set_ratio(one, two)
    return name + 0.01 * fuzz.token_set_ratio(a.group, b.group)


def _row(a: Setting, b: Setting) -> Row:
    name = a.name if a.name.casefold() == b.name.casefold() else f"{a.name} / {b.name}"
    if a.plain == b.plain or a.has_formula or b.has_formula:
        cells = a.html, b.html
    else:
        cells = marked(a.value, b.value)
    # Cells are the sanitiser's output or escaped word by word.
    left, right = (mark_safe(cell) for cell in cells)  # noqa: S308
    return Row(name, left, right, a.plain == b.plain)


def settings_of(html: str) -> list[Setting]:
    """The cells of every table that say something; a heading row names the columns."""
    reader = Tables()
    reader.feed(html)
    return [
        Setting(_group(table[0], column), row[0][0], *row[column])
        for table in reader.tables
        for row in table[1:]
        for column in range(1, len(row))
        if row[column][0]
    ]


def _group(heading: list[tuple[str, str]], column: int) -> str:
    """`pretraining` of a table with one column of values, else the column's name."""
    place = 0 if len(heading) == 2 else column
    return heading[place][0] if place < len(heading) else ""


class Tables(HTMLParser):
    """Tables as rows of cells (text, HTML without links)."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[tuple[str, str]]]] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables and self.tables[-1]:
            self.tables[-1][-1].append(("", ""))
            self.inside = True
        elif self.inside and tag not in INSIDE_CELLS:
            self._add("", self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.inside = False
        elif self.inside and tag not in INSIDE_CELLS:
            self._add("", f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self._add(data, escape(data, quote=False))

    def _add(self, text: str, html: str) -> None:
        cells = self.tables[-1][-1]
        cells[-1] = cells[-1][0] + text, cells[-1][1] + html
