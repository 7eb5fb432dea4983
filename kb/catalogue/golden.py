"""The proof behind a module: stored answers of the authors' own code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kb.catalogue.problems import Problem

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

    @property
    def tolerance(self) -> str:
        return f"{self.rtol:g} relative, {self.atol:g} absolute"


def read(folder: Path) -> list[GoldenCase]:
    """Every case of a paper whose card can be read, by name."""
    return [case for case in _cases(folder) if isinstance(case, GoldenCase)]


def problems(folder: Path) -> list[Problem]:
    """The cards that cannot be read, and why."""
    return [case for case in _cases(folder) if isinstance(case, Problem)]


def _cases(folder: Path) -> Iterator[GoldenCase | Problem]:
    for path in sorted(folder.glob("*.json")):
        try:
            yield _case(path.stem, json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            remedy = "a card is a JSON object with `function`, `params`, `tolerance`, …"
            line = getattr(error, "lineno", 1)
            yield Problem(path, line, f"no card of a case: {error!r}", remedy)


def _case(name: str, card: dict[str, Any]) -> GoldenCase:
    tolerance = card.get("tolerance", {})
    return GoldenCase(
        name, card["function"], card.get("upstream", ""),
        float(tolerance.get("rtol", 0)), float(tolerance.get("atol", 0)),
        card.get("notes", ""),
    )
