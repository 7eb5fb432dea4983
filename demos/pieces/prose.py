"""Small decoders that have read this library's prose, and code that they have not.

All of it is bundled; `python -m demos.train captions` made it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from demos import fingerprint
from demos.architecture import load, read
from demos.pieces.vocabulary import END, MARKS, PAD, Vocabulary
from reference_impls.capdec import CapDec

NAME = "capdec_prose"


@dataclass(frozen=True)
class Caption:
    """What a decoder said. verbatim: whether it has read just that."""

    text: str
    verbatim: bool


@dataclass(frozen=True)
class Prose:
    """The bundle. prose, code: unit embeddings of held-out pairs, (M, D)."""

    card: Mapping[str, Any]
    decoders: Mapping[float, CapDec]  # by the noise in training, times epsilon
    vocabulary: Vocabulary
    prose: Tensor
    code: Tensor
    known: frozenset[tuple[int, ...]]  # sentences that were read

    def place(self, name: str) -> int:
        """Of the pair with this name. Raises StopIteration where there is none."""
        names = (one["name"] for one in self.card["passages"])
        return next(n for n, own in enumerate(names) if own == name)

    def variance(self, level: float) -> float:
        """Of every coordinate of the noise."""
        return (level * float(self.card["epsilon"])) ** 2

    def said(self, module: ModuleType, level: float, z: Tensor) -> list[Caption]:
        """Captions of embeddings (B, D), by the decoder of this level."""
        longest = self.card["config"]["max_length"]
        longest -= self.card["config"]["prefix_length"]
        rows = module.generate(self.decoders[level], z, longest, END).tolist()
        return [
            Caption(self.vocabulary.sentence(row), stripped(row) in self.known)
            for row in rows
        ]


def named(level: float) -> str:
    """The noise in training, in words."""
    return f"noise of {level:g} epsilon" if level else "no noise"


def stripped(row: Sequence[int]) -> tuple[int, ...]:
    """Numbers of words without what pads them."""
    return tuple(number for number in row if number != PAD)


def bundled(module: ModuleType, device: torch.device) -> Prose:
    """The bundle in the paper's own classes. Raises WeightsError where it is broken."""
    file = fingerprint.CHECKPOINTS / f"{NAME}.json"
    card, state = json.loads(file.read_text()), read(file.with_suffix(".safetensors"))
    decoders = {}
    for number, level in enumerate(card["levels"]):
        own = f"decoders.{number}."
        variance = (level * card["epsilon"]) ** 2
        model = module.build(module.Config(**{**card["config"], "variance": variance}))
        weights = {k.removeprefix(own): v for k, v in state.items() if own in k}
        load(model, weights, NAME, decoder=True)
        decoders[level] = model.eval().to(device)
    prose, code = (
        F.normalize(state[name].float(), dim=1).to(device) for name in ("prose", "code")
    )
    words = card["vocabulary"].split()
    known = frozenset(stripped(row) for row in state["read"].tolist())
    return Prose(card, decoders, Vocabulary(words[len(MARKS):]), prose, code, known)
