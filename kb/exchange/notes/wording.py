"""The report of an import in words: for the terminal, and as a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

STATES = {
    "new": "draft", "numbered": "draft beside an older one", "same": "unchanged",
    "completed": "completed from BibTeX",
}
REMARKS = (("Repaired", "repaired"), ("Errors in the notes", "faults"))


def as_text(report: dict[str, Any]) -> str:
    """The report as lines of a terminal."""
    return "\n".join(_text_rows(report))


def _text_rows(report: dict[str, Any]) -> Iterator[str]:
    for file in report["files"]:
        yield f"{file['file']}: {file['kind']}, {_kept(file)}"
        for paper in file["papers"]:
            where = _ranges(paper["passages"])
            yield f"  {paper['slug']:24} {paper['status']:6} {where}".rstrip()
        if file["cited"]:
            named = ", ".join(one["slug"] or one["title"] for one in file["cited"])
            yield f"  only mentioned: {named}"
        if file["unplaced"]:
            yield f"  unplaced: {_ranges(file['unplaced'])}"
        for kind in ("repaired", "faults"):
            for one in file[kind]:
                yield f"  {kind.removesuffix('s')}, line {one['line']}: {one['what']}"
    for draft in report["drafts"]:
        yield f"{STATES[draft['state']]} {draft['path']}"
    if report["report"]:
        yield f"report {report['report']}"
    for error in report["errors"]:
        yield f"not read: {error['file']} {error['what']}"


def _kept(file: dict[str, Any]) -> str:
    if file["kind"] == "bibtex":
        return f"{len(file['papers'])} entries"
    lost = file["words_lost"]
    return f"{file['words']} words, {f'{lost} LOST' if lost else 'none lost'}"


def _ranges(passages: list[dict[str, Any]]) -> str:
    """`lines 3-40, 52-60`; passages that follow each other are one range."""
    spans: list[list[int]] = []
    for first, last in (passage["lines"] for passage in passages):
        if spans and spans[-1][1] + 1 == first:
            spans[-1][1] = last
        else:
            spans.append([first, last])
    rows = ", ".join(f"{first}-{last}" for first, last in spans)
    return f"lines {rows}" if rows else ""


def as_markdown(report: dict[str, Any]) -> str:
    """The report as the file that stays beside the drafts."""
    return "---\ntitle: Report of the import\n---\n" + "\n".join(_rows(report)) + "\n"


def _rows(report: dict[str, Any]) -> Iterator[str]:
    for file in report["files"]:
        name = file["file"].rpartition("/")[2]
        yield f"## {name}\n\nRead as {file['kind']}; {_kept(file)}.\n"
        yield "| paper | in the library | passages |\n|---|---|---|"
        for paper in file["papers"]:
            place = f"`{paper['slug']}`" if paper["status"] == "known" else "no"
            where = _ranges(paper["passages"])
            yield f"| {_cell(paper['title'])} | {place} | {where} |"
        yield from _list("Only mentioned", [
            f"line {one['line']}: {_cell(one['title'])}" for one in file["cited"]
        ])
        yield from _list("Unplaced", [
            f"{_ranges([one])}: {_cell(one['heading']) or 'no heading'} ({one['why']})"
            for one in file["unplaced"]
        ])
        for title, kind in REMARKS:
            yield from _list(title, [
                f"line {one['line']}: {_cell(one['what'])}" for one in file[kind]
            ])


def _list(title: str, rows: list[str]) -> Iterator[str]:
    if rows:
        yield f"\n### {title}\n"
        yield from (f"- {row}" for row in rows)
        yield ""


def _cell(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", text)
