"""Errors in the notes themselves, as far as they can be told from the text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kb.exchange.notes import links, references
from kb.exchange.notes.names import Names
from kb.exchange.notes.passages import unfenced
from kb.exchange.notes.reading import Reading
from kb.exchange.notes.references import NUMBER, Reference
from kb.exchange.notes.source import Remark

EMPTY_CITATION = re.compile(r"\[\](?!\()")
NO_ADDRESS = re.compile(r"\[(code|arxiv|paper|pdf|link|project)\](?![(\[:])", re.I)
TO_DO = re.compile(r"\b(TODO|FIXME|TBD)\b:?[^.\n]{0,60}")


def found_in(reading: Reading, names: Names) -> list[Remark]:
    """What the author would like to know, in the order of the lines."""
    listed = references.entries([one.passage for one in reading.placed])
    remarks = [*_in_lines(reading), *_wrong_links(reading, names)]
    remarks += _numbers(reading, listed)
    return sorted(remarks, key=lambda remark: remark.line)


def _in_lines(reading: Reading) -> Iterator[Remark]:
    for number, line in _prose(reading):
        if EMPTY_CITATION.search(line):
            yield Remark(number, "a citation without a number: []")
        for word in NO_ADDRESS.findall(line):
            yield Remark(number, f"[{word}] looks like a link and has no address")
        for match in TO_DO.finditer(line):
            yield Remark(number, f"left to do: {match[0].strip()}")


def _prose(reading: Reading) -> Iterator[tuple[int, str]]:
    return unfenced(reading.source.lines)


def _wrong_links(reading: Reading, names: Names) -> Iterator[Remark]:
    """Links whose text names one paper while the address is another's."""
    for link in links.in_lines(reading.source.lines, 1):
        said, there = links.meant(link, names), links.by_address(link, names)
        if said and there and said != there:
            title = names.papers[there].title
            yield Remark(link.line, f"the link “{link.text}” leads to {title}")


def _numbers(reading: Reading, listed: list[Reference]) -> Iterator[Remark]:
    """Numbers that are cited and not listed, and listed ones without a text."""
    numbered = {ref.number: ref for ref in listed if ref.number}
    if not numbered:
        return
    for ref in numbered.values():
        if not ref.title:
            yield Remark(ref.line, f"reference [{ref.number}] has no title")
    prose = list(_prose(reading))
    cited = [(int(n), line) for line, text in prose for n in NUMBER.findall(text)]
    missing = {number for number, _ in cited} - set(numbered)
    if missing:
        first = min(line for number, line in cited if number in missing)
        rows = ", ".join(f"[{number}]" for number in sorted(missing))
        yield Remark(first, f"cited from here on, not among the references: {rows}")
