"""A small collection of two papers and a folder of notes, written for each test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kb.catalogue.library import Library, Paper, read

MODULE = '''\
"""Toy: a temperature and a mean."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    """Numbers."""

    tau: float = 0.1  # temperature


def softened(x: Tensor, tau: float = 0.1) -> Tensor:
    """Divides by the temperature (Eq. 1). x: (B, D)."""
    text = "# -- not a landmark"
    y = x / tau          # (B, D)  -- x / tau
    return torch.stack(
        [y, y],
    ).mean(              # (B, D)  -- mean of both
        dim=0,
    )


class Toy(nn.Module):
    """Looks at x."""

    def forward(self, x: Tensor) -> Tensor:
        # -- two steps
        y = softened(x)
        y = y + 1

        return y

    def get_attention(self, x: Tensor) -> list[Tensor]:
        return [x]       # -- x'(t), as it is
'''

ENTRY = r'''---
title: A Toy & Its Temperature
short: Toy
authors: [Ada Lovelace, Émile Borel]
year: 2020
venue: ICML
arxiv: "2001.00001"
code: https://example.org/toy
part: self-supervised
family: contrastive
aliases: [toy model]
---
## TL;DR

Divide by [the temperature](code:softened#x / tau), as [Other](paper:other) does.

## Key idea

With [these numbers](code:Config), the price is \$5 and `$HOME` stays; $a_{i<j} * b_{1} * c$ is a formula.
See [`Toy`](code:Toy), [its steps](code:Toy#two steps), [x'](code:Toy.get_attention#x'(t), as it is).

## Equations

Softened by $\tau$:

$$
y = \frac{x_1}{\tau}
$$ {code=softened#x / tau}

$$
\begin{aligned} m &= \tfrac12 (y + y) \\ &< \hat{\mathbf{z}} \end{aligned}
$$ {code=softened#mean of both}

| paper | variable | shape | what it is |
|---|---|---|---|
| $\tau$ | `tau` | () | temperature |
| $x_i$ | `x` | (B, D) | input |
| $q$ | `q` | (B, D) | never used |
'''
REST = "\n".join(
    f"## {title}\n" for title in ("Recipe", "Results", "Deviations", "Questions", "Sources")
)

OTHER = """---
title: Another
short: Other
authors: [Grace Hopper]
year: 2019
part: architectures
---
## TL;DR

[Nothing](code:Other).
"""

OTHER_MODULE = '''\
"""Other: builds on Toy."""

from reference_impls.toy import Toy


class Other(Toy):
    """The same, with its methods."""
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """papers/, reference_impls/ with one golden case, and notes/."""
    for folder in ("papers/figures", "reference_impls/golden/toy", "notes"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "papers/toy.md").write_text(f"{ENTRY}\n{REST}")
    (tmp_path / "papers/other.md").write_text(f"{OTHER}\n## Key idea\n\n## Equations\n\n{REST}")
    (tmp_path / "reference_impls/toy.py").write_text(MODULE)
    (tmp_path / "reference_impls/other.py").write_text(OTHER_MODULE)
    card = {
        "function": "softened", "upstream": "ada/toy@abc toy.py", "notes": "",
        "tolerance": {"rtol": 0, "atol": 1e-9},
    }
    case = tmp_path / "reference_impls/golden/toy/plain.json"
    case.write_text(json.dumps(card))
    return tmp_path


@pytest.fixture
def shelves(root: Path) -> Callable[[], Library]:
    """Reads the collection as it stands now."""
    folders = root / "papers", root / "reference_impls", [root / "notes"]
    return lambda: read(*folders)


@pytest.fixture
def toy(shelves: Callable[[], Library]) -> Paper:
    return shelves().papers["toy"]


@pytest.fixture
def told(root: Path, shelves: Callable[[], Library]) -> Callable[[str], Paper]:
    """The toy paper with this text as its only section."""

    def tell(body: str) -> Paper:
        front = ENTRY.split("## TL;DR")[0]
        (root / "papers/toy.md").write_text(f"{front}## TL;DR\n{body}")
        return shelves().papers["toy"]

    return tell


@pytest.fixture
def note(root: Path, shelves: Callable[[], Library]) -> Callable[..., Paper]:
    """A reader's note, written as these bytes or this text."""

    def write(content: str | bytes, name: str = "My note.md") -> Paper:
        path = root / "notes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = content.encode() if isinstance(content, str) else content
        path.write_bytes(raw)
        return next(p for p in shelves().papers.values() if p.path == path)

    return write
