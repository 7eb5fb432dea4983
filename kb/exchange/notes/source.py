"""A file of notes as lines of sound text, and what was repaired to get there."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from pathlib import Path

import ftfy

FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f]")
DOUBLED = re.compile(r"\]\(\((https?://[^\s()]+)\)?\)")
PACKED = (b"%PDF", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"{\\rtf")


class Unreadable(Exception):
    """A file that cannot be taken; the text says why and what to do."""


@dataclass(frozen=True)
class Remark:
    """Something about one line of the file."""

    line: int
    text: str


@dataclass
class Source:
    """The file's lines, the first of them number 1."""

    path: Path
    lines: list[str]
    repaired: list[Remark] = field(default_factory=list)


def read(path: Path) -> Source:
    """The text of a file, its encoding and its broken links repaired.

    Raises Unreadable for a missing, empty or binary file and for a folder.
    """
    text, remarks = _decoded(_bytes(path))
    source = Source(path, [], remarks)
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    for number, line in enumerate(plain.rstrip("\n").split("\n"), start=1):
        source.lines.append(_mended(FORBIDDEN.sub("", line), number, remarks))
    if not any(line.strip() for line in source.lines):
        raise Unreadable("is empty; name a file that holds notes")
    return source


def _bytes(path: Path) -> bytes:
    if path.is_dir():
        raise Unreadable(f"is a folder; name its files: {path}/*")
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise Unreadable("does not exist; check the name") from None
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror}); check it") from None
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if raw.startswith(PACKED) or (b"\0" in raw and not wide):
        raise Unreadable("is no text file; save it as plain text or Markdown first")
    return raw


def _decoded(raw: bytes) -> tuple[str, list[Remark]]:
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return raw.decode("utf-16" if wide else "utf-8-sig"), []
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        remark = Remark(line, "is not UTF-8; the file was read as Windows-1252")
        return raw.decode("cp1252", errors="replace"), [remark]


def _mended(line: str, number: int, remarks: list[Remark]) -> str:
    """One line: letters that went through a wrong encoding, links with `((`."""
    # Only the encoding: ftfy's other repairs would straighten quotes and the like.
    sound = ftfy.fix_encoding(line)
    if sound != line:
        kept = set(line)
        gained = "".join(dict.fromkeys(c for c in sound if c not in kept))
        remarks.append(Remark(number, f"encoding repaired, which gave {gained}"))
    linked = DOUBLED.sub(r"](\1)", sound)
    if linked != sound:
        remarks.append(Remark(number, "link with a double parenthesis repaired"))
    return linked
