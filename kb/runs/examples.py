"""Results made ahead and shipped with the site, to see while no worker is free."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from kb.catalogue.library import Paper, library

FOLDER = settings.BASE_DIR / "static" / "examples"


@dataclass(frozen=True)
class Example:
    """A stored result; `own` where it is of the paper that was asked for."""

    demo: str
    paper: str
    options: dict
    weights: dict
    numbers: dict
    seconds: float
    pictures: list[dict]  # file, alt, caption; file is a name below static/
    own: bool

    @property
    def entry(self) -> Paper | None:
        """The paper's entry."""
        return library().get(self.paper)


def example_of(demo: str, paper: str) -> Example | None:
    """The paper's example of a demo, or another paper's; None where there is none."""
    own = FOLDER / demo / f"{paper}.json"
    others = sorted((FOLDER / demo).glob("*.json"))
    found = own if own.is_file() else next(iter(others), None)
    return read(found, own=found == own) if found else None


@lru_cache(maxsize=256)
def read(path: Path, own: bool) -> Example:
    """The example in a file; files come with a release and do not change."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    pictures = [
        {**one, "file": f"examples/{stored['demo']}/{one['file']}"}
        for one in stored["pictures"]
    ]
    return Example(
        stored["demo"], stored["paper"], stored["options"], stored["weights"],
        stored["numbers"], stored["seconds"], pictures, own,
    )
