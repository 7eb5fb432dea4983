"""Which weights a demo runs on, and where they came from.

In this order: the operator's own file (KB_WEIGHTS_DIR), the official weights under
timm's name (from the local hub cache, or the network with KB_ALLOW_HUB=1), the bundled
checkpoints, and a random initialisation that says so. Every load is strict, every file
a safetensors one: pickles can run code.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from demos.architecture import (
    NO_DECODER,
    WeightsError,
    construct,
    load,
    official_names,
    read,
)
from demos.fingerprint import CHECKPOINTS, HUB_NAMES, hub_files, operator_files
from reference_impls.simclr import MEAN, STD  # ImageNet's

RANDOM_SEED = 0

# Classes that hold the same tensors as the one that a checkpoint was made with.
SAME_TENSORS = {
    "reference_impls.dino.DinoVisionTransformer": "reference_impls.vit.ViT",
}


@dataclass(frozen=True)
class Card:
    """What is said of the weights on every result."""

    name: str
    source: str
    trained: bool
    note: str = ""


@dataclass(frozen=True)
class Loaded:
    """A model ready to look at, and how its pictures are normalised."""

    model: nn.Module
    card: Card
    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_side: int  # pixels, at training

    @property
    def patch_size(self) -> int:
        """Side of a patch in pixels."""
        return int(self.model.patch_size)  # type: ignore[arg-type]

    @property
    def num_prefix(self) -> int:
        """Tokens in front of the patches: the class token and registers."""
        return int(self.model.num_prefix)  # type: ignore[arg-type]

    @property
    def depth(self) -> int:
        """How many layers a transformer has."""
        return len(self.model.blocks)  # type: ignore[arg-type]

    def normalise(self, images: Tensor) -> Tensor:
        """(…, 3, H, W) in [0, 1] to the scale of the training."""
        mean, std = (images.new_tensor(v).view(3, 1, 1) for v in (self.mean, self.std))
        return (images - mean) / std

    def denormalise(self, images: Tensor) -> Tensor:
        """The way back."""
        mean, std = (images.new_tensor(v).view(3, 1, 1) for v in (self.mean, self.std))
        return images * std + mean


def resolve(paper: str, need: str, model_class: type[nn.Module]) -> Loaded:
    """The best weights there are for this class, in eval mode on the CPU.

    need: what will be done with it, as in `Demo.model`; `reconstruct` needs a decoder.
    Raises WeightsError where the operator's own file does not fit.
    """
    decoder = need == "reconstruct"
    if operator_files(paper):
        return from_operator(paper, model_class, decoder)
    refusal = ""
    allowed = paper in HUB_NAMES and os.environ.get("KB_ALLOW_HUB") == "1"
    if allowed or hub_files(paper):
        try:
            return from_hub(paper, model_class, decoder)
        except (WeightsError, SafetensorError, OSError, RuntimeError) as error:
            refusal = f"Official weights not used: {error}."
    fallback = bundled(model_class) or untrained(paper, model_class)
    note = " ".join(part for part in (fallback.card.note, refusal) if part)
    return replace(fallback, card=replace(fallback.card, note=note))


# Sources


def from_operator(paper: str, model_class: type[nn.Module], decoder: bool) -> Loaded:
    """`<paper>.safetensors`, described by the `<paper>.json` beside it or by itself."""
    file, *cards = operator_files(paper)
    if file.suffix != ".safetensors":
        raise WeightsError(f"{file.name} lies there without {paper}.safetensors")
    card = json.loads(cards[0].read_text()) if cards else {}
    state = read(file)
    model = construct(model_class, card.get("architecture", {}).get("kwargs"), state)
    load(model, state, file.name, decoder)
    own = Card(
        card.get("name", file.name), card.get("source", "the operator's own file"),
        card.get("trained", True), card.get("note", ""),
    )
    return loaded(model, own, card.get("mean"), card.get("std"))


def from_hub(paper: str, model_class: type[nn.Module], decoder: bool) -> Loaded:
    """timm's model of that name, its weights moved into our module."""
    import timm  # here, because it takes longer to import than a demo to run

    name = HUB_NAMES[paper]
    if decoder:  # of no paper was it published
        raise WeightsError(NO_DECODER.format(name=name))
    local = {"file": str(hub_files(paper)[0])} if hub_files(paper) else None
    theirs = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=local)
    state = official_names(theirs.state_dict(), sys.modules[model_class.__module__])
    model = construct(model_class, None, state)
    load(model, state, name, decoder)
    config = timm.data.resolve_model_data_config(theirs)
    card = Card(name, "official weights, from timm's hub", True)
    return loaded(model, card, config["mean"], config["std"])


def bundled(model_class: type[nn.Module]) -> Loaded | None:
    """The small checkpoint that comes with this project, if one fits the class."""
    own_name = f"{model_class.__module__}.{model_class.__qualname__}"
    for file in sorted(CHECKPOINTS.glob("*.json")):
        card = json.loads(file.read_text())
        made_with = card.get("architecture", {}).get("class")
        if made_with in (own_name, SAME_TENSORS.get(own_name)):
            return from_bundle(file, card, model_class)
    return None


def checkpoint(name: str) -> Loaded:
    """A bundled checkpoint by its name, in the class it was made with."""
    file = CHECKPOINTS / f"{name}.json"
    card = json.loads(file.read_text())
    return from_bundle(file, card, class_of(card))


def bundled_encoders() -> Iterator[Loaded]:
    """All bundled checkpoints that turn pictures into tokens, by their names."""
    for file in sorted(CHECKPOINTS.glob("*.json")):
        card = json.loads(file.read_text())
        if hasattr(model_class := class_of(card), "embed"):
            yield from_bundle(file, card, model_class)


def class_of(card: dict) -> type[nn.Module]:
    """The class that a card's checkpoint was made with."""
    module, _, name = card["architecture"]["class"].rpartition(".")
    return getattr(import_module(module), name)


def from_bundle(file: Path, card: dict, model_class: type[nn.Module]) -> Loaded:
    """The checkpoint beside a card, in the card's architecture."""
    state = read(file.with_suffix(".safetensors"))
    model = construct(model_class, card["architecture"]["kwargs"], state)
    load(model, state, file.stem, decoder=True)
    own = Card(card["name"], card["source"], card["trained"], card.get("note", ""))
    return loaded(model, own, card["mean"], card["std"])


def untrained(paper: str, model_class: type[nn.Module]) -> Loaded:
    """A tiny model with random weights, the same ones each time."""
    module = sys.modules[model_class.__module__]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_SEED)
        model = construct(model_class, vars(module.TINY), {})
    note = "No trained weights for this architecture are at hand: shown as it starts."
    card = Card("random initialisation", f"seed {RANDOM_SEED}", False, note)
    return loaded(model, card, None, None)


def loaded(
    model: nn.Module,
    card: Card,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> Loaded:
    """The model in eval mode with its normalisation; ImageNet's where none is said."""
    side = int(getattr(model, "patch_size", 16)) * int(getattr(model, "grid", 14))
    return Loaded(
        model.eval().requires_grad_(False), card, tuple(mean or MEAN),
        tuple(std or STD), side,
    )
