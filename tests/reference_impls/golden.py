"""Golden cases: what the authors' own code answered, stored as files.

`GOLDEN_DIR` names the folder to read (default: the project's), so that other cases
of the same functions can be run through the same tests.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

DEFAULT = Path(__file__).resolve().parents[2] / "reference_impls" / "golden"
LN_EPS = 1e-6  # what every vision transformer here has, so that a card may differ
GOLDEN_DIR = Path(os.environ.get("GOLDEN_DIR") or DEFAULT)


@dataclass(frozen=True)
class Comparison:
    """How far the worst number of one output is off, and how far it may be."""

    output: str
    error: float
    allowed: float

    @property
    def share(self) -> float:
        """Of the tolerance, how much is used up; above 1 it fails."""
        if self.error <= self.allowed:
            return self.error / self.allowed if self.allowed else 0.0
        return self.error / self.allowed if self.allowed else math.inf


@dataclass
class Case:
    """One stored call: inputs, weights, and the outputs that must come back."""

    path: Path
    card: dict[str, Any]
    compared: list[Comparison] = field(default_factory=list, repr=False)

    @property
    def params(self) -> dict[str, Any]:
        return self.card["params"]

    @property
    def key(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}"

    __str__ = key.fget

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        with np.load(self.path.with_suffix(".npz")) as stored:
            return dict(stored)

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(self.arrays[f"in.{name}"].copy())

    def __contains__(self, name: str) -> bool:
        return f"in.{name}" in self.arrays

    def leaf(self, name: str) -> Tensor:
        """An input that collects its gradient."""
        return self[name].requires_grad_()

    def load(self, module: nn.Module) -> nn.Module:
        """The stored state, by upstream's names, every one of them used; dtype follows."""
        state = {
            name[2:]: torch.from_numpy(array.copy())
            for name, array in self.arrays.items()
            if name.startswith("w.")
        }
        floats = {v.dtype for v in state.values() if v.is_floating_point()}
        if len(floats) == 1:
            module = module.to(floats.pop())
        module.load_state_dict(state, strict=True)
        if (eps := self.params.get("ln_eps", LN_EPS)) != LN_EPS:
            for layer in module.modules():
                if isinstance(layer, nn.LayerNorm):
                    layer.eps = eps
        return module

    def expected(self, name: str) -> Tensor:
        return torch.from_numpy(np.asarray(self.arrays[f"out.{name}"]).copy())

    def check(self, **outputs: Any) -> None:
        """Every stored output against ours; an output that is left out fails."""
        self._complete(outputs)
        for name, ours in outputs.items():
            self._compare(name, torch.as_tensor(ours).detach(), self.expected(name))

    def check_pictures(self, **pictures: Tensor) -> None:
        """The same for pictures in whole grey levels, which the tolerance counts in."""
        self._complete(pictures)
        for name, ours in pictures.items():
            assert ours.dtype == self.expected(name).dtype, f"{self}: {name}: dtype"
            self._compare(name, ours.double(), self.expected(name).double())

    def _complete(self, outputs: Collection[str]) -> None:
        stored = {name[4:] for name in self.arrays if name.startswith("out.")}
        assert stored == set(outputs), (
            f"{self}: stored {sorted(stored)}, checked {sorted(outputs)}"
        )

    def _compare(self, name: str, ours: Tensor, theirs: Tensor) -> None:
        """Whole numbers and masks exactly, the rest to the card's tolerance."""
        exact = {"rtol": 0.0, "atol": 0.0}
        tolerance = self.card["tolerance"] if theirs.is_floating_point() else exact
        self.compared.append(worst(name, ours, theirs, **tolerance))
        torch.testing.assert_close(
            ours, theirs, check_dtype=False, **tolerance,
            msg=lambda text: f"{self}: {name}: {text}",
        )


def worst(
    name: str, ours: Tensor, theirs: Tensor, rtol: float, atol: float
) -> Comparison:
    """The number that uses up most of its tolerance; infinitely off in another shape."""
    if ours.shape != theirs.shape:
        return Comparison(name, math.inf, 0.0)
    a, b = ours.double().flatten(), theirs.double().flatten()
    error = torch.where(a == b, 0.0, (a - b).abs()).nan_to_num(math.inf, math.inf)
    error = torch.where(a.isnan() & b.isnan(), 0.0, error)
    allowed = (atol + rtol * b.abs()).nan_to_num(0.0, posinf=0.0)
    if not len(error):
        return Comparison(name, 0.0, atol)
    at = int((error / allowed).nan_to_num(0.0, math.inf).argmax())
    return Comparison(name, error[at].item(), allowed[at].item())


def read(path: Path) -> Case:
    return Case(path, json.loads(path.read_text()))


def cases(paper: str, function: str | None = None) -> list[Case]:
    """The paper's cases (of one function), for `parametrize(..., ids=str)`."""
    found = [read(path) for path in sorted((GOLDEN_DIR / paper).glob("*.json"))]
    return [c for c in found if function is None or c.card["function"] == function]
