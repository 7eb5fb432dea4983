"""Any self-supervised image method of the library, on one and the same encoder.

Nothing here knows a method: model, views, loss and moving averages are the paper's
module's, and what belongs to this size stands in the module's TINY.
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from importlib import import_module
from inspect import signature
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from demos import offers
from demos.architecture import arguments
from reference_impls import simclr

NEEDS = {"build", "views", "training_step", "features"}

# The encoder of all methods, a ViT of 2.7 million weights, under its fields' two names.
ENCODER = {
    "img_size": 64, "patch_size": 8, "depth": 6, "width": 192, "embed_dim": 192,
    "heads": 6, "num_heads": 6,
}
# A paper's own rate belongs to its optimiser and to batches of thousands. One recipe
# for all, but for a rate that a module's TINY sets for this size; TINY sets the batch.
LR, WEIGHT_DECAY = 5e-4, 0.05


def methods() -> list[str]:
    """Slugs of the papers whose module can be trained on pictures."""
    files = sorted(offers.IMPLS.glob("[a-z]*.py"))
    return [file.stem for file in files if offers.callables(file) >= NEEDS]


def same_encoder(tiny: Any, images: int) -> Any:
    """The module's TINY with the common encoder, and a memory row for each image.

    Raises ValueError where its encoder is another kind of network.
    """
    own = {field.name for field in fields(tiny)}
    if not {"img_size", "patch_size", "depth"} <= own:
        raise ValueError(
            f"{type(tiny).__module__} has an encoder of its own and cannot take the "
            "ViT that all methods are compared on: it is left out"
        )
    wanted = {**ENCODER, "instances": images}
    return replace(tiny, **{k: v for k, v in wanted.items() if k in own})


class Learner(nn.Module):
    """A module's training step as a forward pass, which processes can share."""

    def __init__(self, module: ModuleType, model: nn.Module):
        super().__init__()
        self.module, self.model = module, model

    def forward(self, batch: Any, step: int, steps: int) -> Tensor:
        """Views of one batch, and how far the training is, to the loss."""
        loss, _ = self.module.training_step(self.model, batch, step, steps)
        return loss


class MethodLesson:
    """One method on these pictures. images: (N, 3, 64, 64) uint8."""

    side, unit = ENCODER["img_size"], "images"

    def __init__(self, method: str, images: Tensor):
        self.module = import_module(f"reference_impls.{method}")
        self.images, tiny = images, self.module.TINY
        self.config = same_encoder(tiny, len(images))
        paper = type(tiny)()
        self.lr: float = tiny.lr if tiny.lr != paper.lr else LR
        self.weight_decay, self.batch = WEIGHT_DECAY, int(tiny.batch)
        self.model = self.module.build(self.config)
        self.learner: nn.Module = Learner(self.module, self.model)
        self.indexed = "index" in signature(self.module.views).parameters

    def views(self, index: Tensor, generator: torch.Generator) -> Any:
        """Views of these pictures; a method with a memory is told which they are."""
        pixels = self.images[index].float() / 255
        told = {"index": index} if self.indexed else {}
        return self.module.views(pixels, generator, **told)

    def after_step(self, step: int, steps: int) -> None:
        """What moves behind the optimiser: a teacher, a target."""
        if hasattr(self.module, "after_step"):
            self.module.after_step(self.model, step, steps)

    def shipped(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights of the encoder without a head, and the card's part on it."""
        encoder = getattr(self.model, "encoder", self.model)
        state = encoder.state_dict()
        kept = {k: v for k, v in state.items() if not k.startswith("head.")}
        own = asdict(self.config)
        described = {**own, **ENCODER, "dim": ENCODER["width"]}
        accepted = arguments(type(encoder))
        return kept, {
            "architecture": {
                "class": f"{type(encoder).__module__}.{type(encoder).__qualname__}",
                "kwargs": {k: v for k, v in described.items() if k in accepted},
            },
            "recipe": own,
            "mean": simclr.MEAN, "std": simclr.STD,
        }
