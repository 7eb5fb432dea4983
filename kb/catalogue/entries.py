"""An entry's file: front matter and sections, each with its line numbers.

Reading never fails. What is wrong becomes a Problem, and what could be read is shown.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from frontmatter.default_handlers import YAMLHandler

from kb.catalogue.problems import Problem

HEADING = re.compile(r"^(#{1,2})\s+(.+?)\s*#*\s*$")
FENCE = re.compile(r"^\s{0,3}(`{3,}|~{3,})")
FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True)
class RawSection:
    """Markdown under one heading; `line` is the file's line of its first line."""

    id: str
    title: str
    line: int
    source: str


@dataclass
class Entry:
    """One Markdown file, read and split."""

    path: Path
    meta: dict[str, Any] = field(default_factory=dict)
    meta_source: str = ""
    heading: str = ""  # text of the first `# ` heading, where there is one
    sections: list[RawSection] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def report(self, line: int, message: str, remedy: str) -> None:
        self.problems.append(Problem(self.path, line, message, remedy))

    def report_key(self, key: str, message: str, remedy: str) -> None:
        """A problem with a front matter key, at its line."""
        lines = enumerate(self.meta_source.splitlines(), start=1)
        found = (number for number, text in lines if text.startswith(f"{key}:"))
        self.report(next(found, 1), message, remedy)


def read(path: Path) -> Entry:
    """The entry in a file; one that cannot be read has its reason as a problem."""
    entry = Entry(path)
    text = _decode(entry)
    body = _front_matter(entry, text)
    first = text[: len(text) - len(body)].count("\n") + 1
    entry.sections = list(_split(entry, body, first))
    return entry


def _decode(entry: Entry) -> str:
    try:
        raw = entry.path.read_bytes()
    except OSError as error:
        entry.report(1, f"cannot be read: {error.strerror}", "check its permissions")
        return f"This file could not be read: {error.strerror}.\n"
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        entry.report(line, "is not UTF-8; read as Windows-1252", "save it as UTF-8")
        text = raw.decode("cp1252", errors="replace")
    return FORBIDDEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _front_matter(entry: Entry, text: str) -> str:
    """Fills `meta`; returns the text behind the front matter."""
    handler = YAMLHandler()
    if not handler.detect(text):
        return text
    try:
        source, body = handler.split(text)
    except ValueError:  # a rule on top of the page, and no second one
        return text
    try:
        meta = handler.load(source)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        line = mark.line + 1 if mark else 1
        remedy = "close brackets and quotes, and quote values that hold `: `"
        entry.report(line, f"front matter: {reason}", remedy)
        return body
    if meta is not None and not isinstance(meta, dict):
        return text  # two rules with words between them
    entry.meta = {str(key): value for key, value in (meta or {}).items()}
    entry.meta_source = "---" + source
    return body


def _split(entry: Entry, body: str, first: int) -> Iterator[RawSection]:
    """Sections at `## ` (and later `# `) headings; fenced code is left alone."""
    title, start, lines = "", first, list[str]()
    fence, taken = "", dict[str, int]()

    def section() -> RawSection:
        name = slugify(title, "-") or "text"
        taken[name] = taken.get(name, 0) + 1
        unique = name if taken[name] == 1 else f"{name}-{taken[name]}"
        return RawSection(unique, title, start, "\n".join(lines))

    for number, text in enumerate(body.split("\n"), start=first):
        fence = _fence(fence, text)
        heading = None if fence else HEADING.match(text)
        if heading and heading[1] == "#" and not entry.heading:
            entry.heading = heading[2]
            lines.append("")
        elif heading:
            if title or any(line.strip() for line in lines):
                yield section()
            title, start, lines = heading[2], number + 1, []
        else:
            lines.append(text)
    if title or any(line.strip() for line in lines):
        yield section()


def _fence(fence: str, text: str) -> str:
    """The fence that is open after this line; empty when none is."""
    found = FENCE.match(text)
    if not found:
        return fence
    if not fence:
        return found[1]
    return "" if found[1].startswith(fence) else fence


def slugify(text: str, joint: str) -> str:
    """Lower case letters and digits joined by `joint`; accents are dropped."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^\w\s-]", "", plain.lower())
    return re.sub(r"[\s_-]+", joint, plain).strip(joint)
