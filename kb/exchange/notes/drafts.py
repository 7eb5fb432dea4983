"""Drafts: one Markdown file for each paper, and one for what belongs to none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from kb.exchange.notes.known import Known
from kb.exchange.notes.passages import Passage, unfenced
from kb.exchange.notes.tables import with_tables

UNPLACED, UNPLACED_TITLE = "unplaced", "Unplaced passages"
AUTHORS_CODE = re.compile(r"https://(?:github|gitlab)\.com/[\w.-]+/[\w.-]+")


@dataclass
class Draft:
    """What becomes `<name>.md`: values for its front matter, and passages."""

    name: str
    meta: dict[str, object]
    passages: list[tuple[str, Passage]] = field(default_factory=list)  # file, passage

    def text(self) -> str:
        """The file: front matter as entries have it, then the passages."""
        meta = {**self.meta, "source": self._sources()}
        body = "\n\n".join(markdown(passage) for _, passage in self.passages)
        return f"---\n{yaml_rows(meta)}---\n{body}\n"

    def _sources(self) -> list[str]:
        """File and lines of the passages; those that follow each other as one."""
        spans: list[tuple[str, int, int]] = []
        for file, passage in self.passages:
            if spans and spans[-1][0] == file and spans[-1][2] + 1 == passage.first:
                spans[-1] = (file, spans[-1][1], passage.last)
            else:
                spans.append((file, passage.first, passage.last))
        return [f"{file}, lines {first}-{last}" for file, first, last in spans]


def yaml_rows(meta: dict[str, object]) -> str:
    """Front matter as entries write it; keys without a value are left out."""
    kept = {key: value for key, value in meta.items() if value}
    if not kept:
        return ""
    rows: str = yaml.safe_dump(
        kept, default_flow_style=None, allow_unicode=True, sort_keys=False, width=999
    )
    return rows


def markdown(passage: Passage) -> str:
    """A passage as it stood: its heading marked with `#`, its tables with bars."""
    if passage.is_front_matter:
        rows = "\n".join(passage.body)
        return f"```\n{rows}\n```"
    body = "\n".join(_tidied(with_tables(passage.body))).strip("\n")
    if not passage.heading:
        return body
    heading = " ".join(passage.heading.split())
    return f"{'#' * max(passage.level, 1)} {heading}\n\n{body}".rstrip()


def _tidied(lines: Sequence[str]) -> Iterator[str]:
    """Without the second of two empty lines, code apart."""
    open_text = {number for number, _ in unfenced(lines)}
    empty = False
    for number, line in enumerate(lines, start=1):
        blank = not line.strip() and number in open_text
        if not (blank and empty):
            yield "" if blank else line
        empty = blank


def of_paper(known: Known, tags: Iterable[str]) -> Draft:
    """A draft about a paper. tags: the file's, for a paper that has none."""
    meta: dict[str, object] = {
        "title": known.title, "short": known.short, "authors": list(known.authors),
        "year": known.year, "venue": known.venue, "arxiv": known.arxiv,
        "code": known.code, "part": known.part, "family": known.family,
        "aliases": list(known.aliases), "tags": list(known.tags) or list(tags),
    }
    return Draft(known.slug, meta)


def unplaced() -> Draft:
    """The draft for what is about no paper."""
    return Draft(UNPLACED, {"title": UNPLACED_TITLE})


def with_code(draft: Draft) -> None:
    """Takes the address of the authors' code from the text, where it has one."""
    text = "\n".join(passage.text for _, passage in draft.passages)
    if not draft.meta.get("code") and (found := AUTHORS_CODE.search(text)):
        draft.meta["code"] = found[0].rstrip(".")


@dataclass(frozen=True)
class Written:
    """Where a draft went. state: new, numbered or same."""

    path: Path
    state: str


def write(draft_name: str, text: str, folder: Path, *, dry_run: bool) -> Written:
    """Writes a file and never over another: a name that is taken gets a number.

    A file that already holds the very same text is left as it is.
    """
    number, path = 1, folder / f"{draft_name}.md"
    while path.exists():
        if path.read_text(encoding="utf-8") == text:
            return Written(path, "same")
        number += 1
        path = folder / f"{draft_name}_{number}.md"
    if not dry_run:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Written(path, "new" if number == 1 else "numbered")
