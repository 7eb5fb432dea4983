"""The chosen rows as CSV and as plain data for JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from django.urls import reverse

from kb.results.choice import Choice
from kb.results.sources import address
from kb.results.table import COLUMNS, NUMBER, Row

# A spreadsheet takes a cell that begins with one of these for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(rows: Iterable[Row]) -> str:
    """The rows below a header; no cell of it runs in a spreadsheet."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([harmless(getattr(row, name)) for name in COLUMNS])
    return text.getvalue()


def harmless(cell: str) -> str:
    """A quote in front of what could be a formula; a negative number is none."""
    suspect = cell.startswith(FORMULA) and not NUMBER.fullmatch(cell)
    return f"'{cell}" if suspect else cell


def as_data(rows: Iterable[Row], choice: Choice) -> dict[str, Any]:
    """fields, the question, and each row with its number and its addresses."""
    found = [_row(row) for row in rows]
    query: dict[str, Any] = {n: sorted(v) for n, v in choice.values.items() if v}
    query |= {n: v for n, v in choice.pairs if n in ("method", "sort")}
    return {
        "count": len(found), "fields": list(COLUMNS), "query": query, "results": found,
    }


@lru_cache(maxsize=1024)
def entry(slug: str) -> str:
    """The place of an entry where its numbers stand."""
    return reverse("catalogue:paper", args=[slug]) + "#results"


def _row(row: Row) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in COLUMNS},
        "number": row.number, "spread": row.spread or None,
        "url": entry(row.paper),
        "source_url": address(row.source) or None,
    }
