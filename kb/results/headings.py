"""The head of the table: each column, and the address that sorts by it."""

from __future__ import annotations

from dataclasses import dataclass

from kb.results.choice import Choice

TITLES = {
    "method": "Method",
    "backbone": "Backbone",
    "pretraining": "Pre-trained on",
    "protocol": "Protocol",
    "dataset": "Measured on",
    "metric": "Metric",
    "value": "Value",
    "paper": "Entry",
    "source": "Source",
    "verified": "Checked",
}


@dataclass(frozen=True)
class Heading:
    """direction: as in aria-sort; empty where the rows are not sorted by it."""

    column: str
    label: str
    query: str
    direction: str


def headings(choice: Choice) -> list[Heading]:
    """The columns from left to right."""
    directions = {choice.sort: "ascending"}
    if choice.sort.startswith("-"):
        directions = {choice.sort.removeprefix("-"): "descending"}
    return [
        Heading(
            column, label, choice.sorted_by(column).query, directions.get(column, "")
        )
        for column, label in TITLES.items()
    ]
