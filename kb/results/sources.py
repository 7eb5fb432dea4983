"""From the words that name a source to its address."""

from __future__ import annotations

import re
from functools import lru_cache

ADDRESS = re.compile(r"https?://[^\s,;)]+")
ARXIV = re.compile(r"\barxiv[ :]*(\d{4}\.\d{4,5})\b", re.IGNORECASE)
REPOSITORY = re.compile(
    r"(?<![\w./-])([A-Za-z][\w-]*/[A-Za-z][\w.-]*\w)(?:\W.*?\bat ([0-9a-f]{7,40})\b)?"
)


@lru_cache(maxsize=1024)
def address(source: str) -> str:
    """Where `arXiv 2006.07733, Tab. 2` or `owner/name, README.md at 1a2b3c4` is read.

    Empty for a source that has no address, such as lecture notes.
    """
    if found := ADDRESS.search(source):
        return found[0].rstrip(".")
    if found := ARXIV.search(source):
        return f"https://arxiv.org/abs/{found[1]}"
    if found := REPOSITORY.search(source):
        tree = f"/tree/{found[2]}" if found[2] else ""
        return f"https://github.com/{found[1]}{tree}"
    return ""
