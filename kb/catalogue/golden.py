"""The proof behind a module: stored answers of the authors' own code."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = re.compile(r"([\w.-]+/[\w.-]+)@|([\w.-]+)==")


@dataclass(frozen=True)
class GoldenCase:
    """One stored call; `upstream` is repository@commit path, or says DERIVED."""

    case: str
    function: str
    upstream: str
    rtol: float
    atol: float
    notes: str

    @property
    def repository(self) -> str:
        """Whose code answered, `owner/name` or a package; empty: we derived it."""
        found = REPOSITORY.match(self.upstream)
        return (found[1] or found[2]) if found else ""


def read(folder: Path) -> list[GoldenCase]:
    """Every case of a paper, by name. Raises ValueError for a broken card."""
    return [_case(path) for path in sorted(folder.glob("*.json"))]


def _case(path: Path) -> GoldenCase:
    card = json.loads(path.read_text(encoding="utf-8"))
    tolerance = card.get("tolerance", {})
    return GoldenCase(
        path.stem, card["function"], card.get("upstream", ""),
        tolerance.get("rtol", 0.0), tolerance.get("atol", 0.0), card.get("notes", ""),
    )
