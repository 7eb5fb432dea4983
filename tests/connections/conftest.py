"""Two papers that can be compared, a note, and two concepts, written for each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from kb.catalogue.library import Library, library

ELDER = '''\
"""Elder: a mean and a loss."""

from torch import Tensor, nn


class Config:
    """Numbers."""

    width: int = 4
    depth: int = 2


def scale(x: Tensor) -> Tensor:
    """Halves it."""
    return x / 2               # -- halved


def loss(p: Tensor, z: Tensor) -> Tensor:
    """How far p is from z."""
    z = z.detach()             # -- stop-gradient
    return (p - z).square().mean()  # -- distance


class Net(nn.Module):
    """Says x."""

    def forward(self, x: Tensor) -> Tensor:
        return x
'''

YOUNGER = '''\
"""Younger: builds on Elder."""

from torch import Tensor

from reference_impls.elder import scale


class Config:
    """Other numbers."""

    width: int = 8
    depth: int = 2


def objective(p: Tensor, z: Tensor) -> Tensor:
    """As far, in another norm."""
    z = z.detach()             # -- stop-gradient
    return (p - z).abs().mean()     # -- distance


def twice(x: Tensor) -> Tensor:
    return scale(x) + scale(x)
'''

ENTRY = r'''---
title: The {name} Paper
short: {name}
authors: [Ada Lovelace]
year: {year}
part: self-supervised
family: contrastive
tags: [{tags}]
follows: [{follows}]
---
## TL;DR

Does [its loss](code:{loss}).

## Key idea

See [the stop](code:{loss}#stop-gradient) and [why](#questions).

## Equations

$$ a = b $$ {{code={first}}}

$$ c = d $$ {{code={loss}#distance}}

## Recipe

| training | value |
|---|---|
| optimiser | {optimiser} |
| batch | 256 |
| {own} | $10^{{-6}}$ |

## Questions

**Why stop?** Because of [it](/concepts/stop/).

**And then?** Nothing.
'''

STOP = """---
title: Stopping
names: [stop-gradient, standing still]
landmarks: ["stop-gradient", "elder/scale#*"]
related: [far]
---
A value that is only looked at. See [Elder](paper:elder).
"""

FAR = """---
title: Being far
names: [distance]
landmarks: ["elder/*#distance"]
answers: [stop]
---
Apart.
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("papers/concepts", "papers/figures", "reference_impls", "notes"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "reference_impls/elder.py").write_text(ELDER)
    (tmp_path / "reference_impls/younger.py").write_text(YOUNGER)
    (tmp_path / "papers/elder.md").write_text(ENTRY.format(
        name="Elder", year=2019, tags="stop gradient, mean", follows="", loss="loss",
        first="scale#halved", optimiser="SGD, lr 0.1", own="decay",
    ))
    (tmp_path / "papers/younger.md").write_text(ENTRY.format(
        name="Younger", year=2020, tags="Mean", follows="elder", loss="objective",
        first="twice", optimiser="AdamW, lr 0.1", own="warm-up",
    ))
    (tmp_path / "notes/mine.md").write_text("# Mine\n\nNo code here.\n")
    (tmp_path / "papers/concepts/stop.md").write_text(STOP)
    (tmp_path / "papers/concepts/far.md").write_text(FAR)
    return tmp_path


@pytest.fixture(autouse=True)
def site(
    request: pytest.FixtureRequest, settings: Settings
) -> Path | None:
    """The folders above; tests that ask for `real_folder` keep the collection's."""
    if "real_folder" in request.fixturenames:
        return None
    root: Path = request.getfixturevalue("root")
    settings.PAPERS_DIR = root / "papers"
    settings.IMPLS_DIR = root / "reference_impls"
    settings.EXTRA_PAPERS_DIRS = [root / "notes"]
    settings.VAR_DIR = root
    return root


@pytest.fixture
def real_folder() -> None:
    """For tests on the collection itself."""


@pytest.fixture
def shelves(site: Path) -> Callable[[], Library]:
    return library
