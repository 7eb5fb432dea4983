"""What recognising gives: each passage with its paper, or why it has none."""

from __future__ import annotations

from dataclasses import dataclass

from kb.exchange.notes.passages import Passage


@dataclass(frozen=True)
class Placed:
    """slug is None for a passage of no paper; `why` says how it came to be placed."""

    passage: Passage
    slug: str | None
    why: str


GENERAL = "general: about no paper in particular"
UNNAMED = "names no paper"
FRONT = "front matter of the file"
CITED_ONLY = "list of references"
