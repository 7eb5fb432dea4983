"""Which rows a reader asks for: filters, order, and the addresses that change them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from django.http import QueryDict

from kb.catalogue.facets import Facet, Option
from kb.results.table import COLUMNS, VERIFIED, Row

# GET parameters that choose by a column's exact value, each repeatable.
LABELS = {
    "dataset": "Measured on",
    "metric": "Metric",
    "protocol": "Protocol",
    "pretraining": "Pre-trained on",
    "backbone": "Backbone",
    "paper": "Paper",
    "verified": "Checked",
}
OFFERED = 40  # options of a filter; rarer ones come up once others are narrowed
SINGLY = 4  # chosen values of a filter that are still shown one by one
RANK = {verified: rank for rank, verified in enumerate(VERIFIED)}


class Refused(ValueError):
    """A value that cannot be meant; the message says what to ask instead."""

    def __init__(self, parameter: str, value: str, message: str) -> None:
        super().__init__(message)
        self.parameter, self.value, self.message = parameter, value, message

    @property
    def status(self) -> int:
        return 404 if self.parameter == "paper" else 400


@dataclass(frozen=True)
class Choice:
    """What was asked for. sort: a column, with a minus before it the other way."""

    values: Mapping[str, frozenset[str]] = field(default_factory=dict)
    method: str = ""
    sort: str = ""

    @property
    def narrowed(self) -> bool:
        return bool(self.method or any(self.values.values()))

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The same question as parameters, always in the same order."""
        pairs = [(n, v) for n in LABELS for v in sorted(self.values.get(n, ()))]
        rest = [("method", self.method), ("sort", self.sort)]
        return pairs + [(name, value) for name, value in rest if value]

    @property
    def query(self) -> str:
        return urlencode(self.pairs)

    def only(self, name: str, *values: str) -> Choice:
        """The same with these values of a column, none for all of them."""
        return replace(self, values={**self.values, name: frozenset(values)})

    def toggled(self, name: str, value: str) -> Choice:
        return self.only(name, *(self.values.get(name, frozenset()) ^ {value}))

    def sorted_by(self, column: str) -> Choice:
        """By a column, and the other way when it is already; numbers highest first."""
        ways = ["-value", "value"] if column == "value" else [column, f"-{column}"]
        return replace(self, sort=ways[self.sort == ways[0]])


def asked(query: QueryDict, papers: Container[str]) -> Choice:
    """The choice in the parameters of a request; unknown parameters are ignored.

    papers: the slugs that exist. Raises Refused for another one, for an order by no
    column and for an unknown kind of check.
    """
    values = {name: frozenset(filter(None, query.getlist(name))) for name in LABELS}
    sort = query.get("sort", "")
    if sort and sort.removeprefix("-") not in COLUMNS:
        message = f"The table has no column “{sort}”; sort by {', '.join(COLUMNS)}."
        raise Refused("sort", sort, message)
    for unknown in sorted(values["verified"] - set(VERIFIED)):
        message = f"“{unknown}” is no kind of check; choose {', '.join(VERIFIED)}."
        raise Refused("verified", unknown, message)
    for slug in sorted(values["paper"]):
        if slug not in papers:
            raise Refused("paper", slug, f"There is no paper “{slug}” here.")
    return Choice(values, " ".join(query.get("method", "").split())[:200], sort)


def matching(rows: Iterable[Row], choice: Choice, leaving_out: str = "") -> list[Row]:
    """The rows that have any of the values of each column that is narrowed."""
    found = list(rows)
    for name, values in choice.values.items():
        if values and name != leaving_out:
            found = [row for row in found if getattr(row, name) in values]
    for word in choice.method.lower().split():
        found = [row for row in found if word in row.method.lower()]
    return found


def chosen(rows: Iterable[Row], choice: Choice) -> list[Row]:
    """The matching rows in the order asked for; else in that of the file."""
    found = matching(rows, choice)
    if choice.sort:
        column, backwards = choice.sort.removeprefix("-"), choice.sort.startswith("-")
        found.sort(key=lambda row: _place(row, column), reverse=backwards)
    return found


def _place(row: Row, column: str) -> tuple[float, str]:
    """Numbers sort as numbers, checks by how good they are, words without case."""
    if column == "value":
        return row.number, ""
    if column == "verified":
        return RANK[row.verified], ""
    return 0, getattr(row, column).lower()


def facets(
    rows: list[Row], choice: Choice, names: Mapping[str, str]
) -> list[Facet]:
    """Each filter with its commonest options, those that are chosen among them.

    Counts are those of the other filters' choice: a click never surprises. names:
    what papers are called, by slug.
    """
    found, called = matching(rows, choice), {"paper": names, "verified": VERIFIED}
    facets = []
    for name in LABELS:
        mine = choice.values.get(name, frozenset())
        left = matching(rows, choice, leaving_out=name) if mine else found
        counts = Counter(value for row in left if (value := getattr(row, name)))
        words = called.get(name, {})
        facets.append(Facet(name, LABELS[name], [
            Option(
                value, words.get(value, value), counts[value], value in mine,
                choice.toggled(name, value).query,
            )
            for value in _commonest(name, counts, mine)
        ]))
    return facets


def _commonest(name: str, counts: Counter[str], mine: frozenset[str]) -> list[str]:
    if name == "verified":
        return [kind for kind in VERIFIED if counts[kind] or kind in mine]
    common = [value for value, _ in counts.most_common(OFFERED)]
    return common + sorted(mine - set(common))


def taken(facets: Iterable[Facet], choice: Choice) -> list[Option]:
    """What is chosen, the word in the method's name included.

    Many values of one filter, as a ready-made view may choose, go together: the filter
    itself lists them.
    """
    found = []
    for facet in facets:
        mine = [option for option in facet.options if option.selected]
        if len(mine) > SINGLY:
            rest = choice.only(facet.name).query
            label = f"{facet.label}: {len(mine)} chosen"
            mine = [Option("", label, 0, True, rest)]
        found += mine
    if choice.method:
        rest = replace(choice, method="").query
        label = f"method: {choice.method}"
        found.append(Option(choice.method, label, 0, True, rest))
    return found
