"""A folder that is written once, then sealed: what was touched since is noticed.

The seal is `sentinel.json`, written last, with the hashes of all other files.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

SENTINEL = "sentinel.json"

States = dict[str, tuple[int, int, int]]


class Broken(ValueError):
    """A file is not as it was when the folder was sealed."""


def seal(folder: Path, **facts: str) -> None:
    """Close a finished folder; `facts` are kept in the seal."""
    write_json(folder / SENTINEL, facts | {"files": _hashes(folder)})


def facts(folder: Path) -> dict[str, Any]:
    """What the seal says, unverified. Raises OSError or ValueError without one."""
    return json.loads((folder / SENTINEL).read_text())


def verify(folder: Path) -> dict[str, Any]:
    """The facts of a folder whose files all are as sealed.

    Raises Broken, or OSError, ValueError or KeyError where the seal cannot be read.
    """
    said = facts(folder)
    if said["files"] != _hashes(folder):
        raise Broken("files differ from the sentinel")
    return said


def states(folder: Path) -> States:
    """Changes whenever a file is touched; cheap to ask. Raises OSError."""
    found = {file.name: file.stat() for file in os.scandir(folder)}
    return {n: (s.st_ino, s.st_size, s.st_mtime_ns) for n, s in found.items()}


def write_json(file: Path, value: object) -> None:
    """Write, and wait until the disk has it."""
    with file.open("w") as opened:
        json.dump(value, opened)
        opened.flush()
        os.fsync(opened.fileno())


def _hashes(folder: Path) -> dict[str, str]:
    names = sorted(file.name for file in folder.iterdir() if file.name != SENTINEL)
    return {name: _hash(folder / name) for name in names}


def _hash(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
