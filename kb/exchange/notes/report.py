"""The report of an import, as JSON has it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kb.exchange.notes import drafts, faults, references
from kb.exchange.notes.known import Known
from kb.exchange.notes.names import Names
from kb.exchange.notes.passages import plain
from kb.exchange.notes.placed import Placed
from kb.exchange.notes.reading import Reading
from kb.exchange.notes.source import Remark

WORD = re.compile(r"\w+")


def of_file(reading: Reading, names: Names) -> dict[str, Any]:
    """All that is to be said of one file, as JSON has it."""
    words = Counter(WORD.findall("\n".join(reading.source.lines)))
    kept = "\n".join(drafts.markdown(one.passage) for one in reading.placed)
    return {
        "file": str(reading.path),
        "kind": reading.kind,
        "words": words.total(),
        "words_lost": (words - Counter(WORD.findall(kept))).total(),
        "papers": list(_papers(reading, names)),
        "cited": list(_cited(reading, names)),
        "unplaced": [_span(one) for one in reading.placed if one.slug is None],
        "repaired": [_remark(remark) for remark in reading.source.repaired],
        "faults": [_remark(remark) for remark in faults.found_in(reading, names)],
    }


def _papers(reading: Reading, names: Names) -> Iterator[dict[str, Any]]:
    by_slug: dict[str, list[Placed]] = {}
    for one in reading.placed:
        if one.slug:
            by_slug.setdefault(one.slug, []).append(one)
    for slug, passages in by_slug.items():
        paper = names.papers[slug]
        yield {
            "slug": slug, "status": "new" if paper.is_new else "known",
            "title": paper.title, "passages": [_span(one) for one in passages],
        }


def _cited(reading: Reading, names: Names) -> Iterator[dict[str, Any]]:
    """Papers that are mentioned or listed and have no passage in this file."""
    placed = {one.slug for one in reading.placed}
    lines: dict[str, int] = {}
    for number, line in enumerate(reading.source.lines, start=1):
        for slug, _ in names.mentions(line):
            if slug not in placed:
                lines.setdefault(slug, number)
    for slug, number in lines.items():
        yield {"slug": slug, "title": names.papers[slug].title, "line": number}
    for ref in references.entries([one.passage for one in reading.placed]):
        if ref.title and not names.by_title(ref.title, ref.authors, ref.year):
            yield {"slug": None, "title": ref.title, "line": ref.line}


def _span(one: Placed) -> dict[str, Any]:
    return {
        "lines": [one.passage.first, one.passage.last],
        "heading": plain(one.passage.heading), "why": one.why,
    }


def _remark(remark: Remark) -> dict[str, Any]:
    return {"line": remark.line, "what": remark.text}


def reference(paper: Known, *, is_new: bool) -> dict[str, Any]:
    """A paper of a BibTeX file."""
    status = "new" if is_new else "known"
    row = {"slug": paper.slug, "status": status, "title": paper.title}
    return {**row, "passages": []}


def of_references(
    path: Path, papers: list[dict[str, Any]], remarks: list[Remark]
) -> dict[str, Any]:
    """All that is to be said of a BibTeX file."""
    return {
        "file": str(path), "kind": "bibtex", "words": 0, "words_lost": 0,
        "papers": papers, "cited": [], "unplaced": [], "repaired": [],
        "faults": [_remark(remark) for remark in remarks],
    }
