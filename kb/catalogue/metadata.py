"""Front matter as values of one type each, and what is wrong with it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any

from rapidfuzz import process

from kb.catalogue.entries import Entry
from kb.catalogue.parts import PARTS

KEYS = (
    "title", "short", "authors", "year", "venue", "arxiv", "code", "part", "family",
    "aliases", "tags", "follows",
)
REQUIRED = ("title", "short", "authors", "year", "part")
SLUG = re.compile(r"[a-z][a-z0-9_]*")
ARXIV = re.compile(r"\d{4}\.\d{4,5}|[a-z-]+/\d{7}")


def text(meta: Mapping[str, Any], key: str) -> str:
    """A scalar as text; empty for anything else."""
    value = meta.get(key)
    return str(value).strip() if isinstance(value, str | int | float) else ""


def words(meta: Mapping[str, Any], key: str) -> list[str]:
    """A list of texts; Quarto's `- name: X` and a comma list are read as well."""
    value = meta.get(key)
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list):
        return []
    named = [item.get("name") if isinstance(item, dict) else item for item in items]
    scalars = [str(n).strip() for n in named if isinstance(n, str | int | float)]
    return [name for name in scalars if name]


def year(meta: Mapping[str, Any]) -> int | None:
    """The year, or that of a note's `date`."""
    value = meta.get("year", meta.get("date"))
    if isinstance(value, datetime.date):
        return value.year
    found = re.match(r"\s*(\d{4})\b", str(value))
    return int(found[1]) if found else None


def validate(entry: Entry) -> None:
    """Reports unknown, missing and mistyped keys of one of our own entries."""
    meta = entry.meta
    if not SLUG.fullmatch(entry.path.stem):
        remedy = "it names module and address too: lower case, digits, underscores"
        entry.report(1, f"{entry.path.stem!r} is no name for an entry", remedy)
    if not meta:  # where it could not be read, that has been reported
        if not entry.problems:
            keys = ", ".join(f"`{key}:`" for key in REQUIRED)
            entry.report(1, "no front matter", f"begin with `---`, {keys}, `---`")
        return
    for key in meta:
        if key not in KEYS:
            near = process.extractOne(key, KEYS, score_cutoff=60)
            remedy = f"did you mean {near[0]!r}? " if near else ""
            remedy += f"keys are {', '.join(KEYS)}"
            entry.report_key(key, f"unknown front matter key {key!r}", remedy)
    for key in REQUIRED:
        if not meta.get(key):
            entry.report(1, f"front matter has no {key!r}", f"add `{key}:`")
    _validate_values(entry)


def _validate_values(entry: Entry) -> None:
    meta = entry.meta
    if meta.get("part") and meta["part"] not in PARTS:
        remedy = f"parts are {', '.join(PARTS)}"
        entry.report_key("part", f"unknown part {meta['part']!r}", remedy)
    if meta.get("year") and not isinstance(meta["year"], int):
        entry.report_key("year", "year is no number", "write `year: 2021`")
    arxiv = meta.get("arxiv", "")
    if arxiv and not (isinstance(arxiv, str) and ARXIV.fullmatch(arxiv)):
        # YAML reads a bare 2104.14290 as a number and drops its last zero.
        remedy = 'quote it: `arxiv: "2104.14294"`'
        entry.report_key("arxiv", f"arxiv is {arxiv!r}, no identifier", remedy)
    for key in ("authors", "aliases", "tags", "follows"):
        if key in meta and not isinstance(meta[key], list):
            entry.report_key(key, f"{key} is no list", f"write `{key}: [a, b]`")
