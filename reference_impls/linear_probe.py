"""Linear probe: freeze the encoder, train one linear layer, read off what it knows.

Paper:    Caron et al., "Emerging Properties in Self-Supervised Vision Transformers",
          ICCV 2021, arXiv 2104.14294 (DINO's protocol: `LinearProbe`, SGD);
          He et al., arXiv 2111.06377 (MAE's: `BNLinearProbe`, LARS)
Differs:  1. for one block and the patches' mean upstream stacks both on a last axis, so
             their channels alternate; here they follow each other, and
             `interleave=True` is upstream's order (a trained probe depends on it)
          2. any number of blocks may join the patches' mean; upstream fails there
          3. the rate changes once an epoch in both protocols; MAE's once a step
          4. `linear_evaluation` takes features that were computed once; for random
             crops in training, as in both papers, give `train_one_epoch` fresh ones
Checked:  facebookresearch/dino@7c446df: features, losses, rates and weights to 1e-7;
          facebookresearch/mae@efb2a80: four LARS steps with batch norm to 1e-9

Shapes:   N images, B of them in a batch, P patches, D width, n blocks, F features,
          C classes
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls.knn import topk_accuracy
from reference_impls.lars import LARS
from reference_impls.simclr import normalize, random_resized_crop, sometimes
from reference_impls.vit import ViT


@dataclass(frozen=True)
class Config:
    """DINO's probe of a ViT-S. For a ViT-B: one block and the patches' mean."""

    n_last_blocks: int = 4     # n
    avgpool: bool = False      # the mean of the last block's patches beside them
    batch_norm: bool = False   # in front of the linear layer, and LARS behind it
    lr: float = 0.001          # times batch / 256; cosine to 0
    momentum: float = 0.9
    weight_decay: float = 0.0
    epochs: int = 100
    warmup_epochs: int = 0
    batch: int = 1024


MAE = Config(
    n_last_blocks=1, batch_norm=True, lr=0.1, epochs=90,
    warmup_epochs=10, batch=16384,
)
TINY = Config(n_last_blocks=1, lr=1.0, epochs=20, batch=32)


# What the probe sees


def training_crops(images: Tensor, size: int, generator: Generator) -> Tensor:
    """A random part of each image, mirrored half of the time: nothing else.

    images: (B, 3, H, W) in [0, 1]. Returns (B, 3, size, size), normalised.
    """
    crops = random_resized_crop(images, size, (0.08, 1.0), generator)  # -- crop
    crops = sometimes(crops, 0.5, generator, lambda x: x.flip(-1))     # -- flip
    return normalize(crops)


@torch.no_grad()
def last_blocks(encoder: ViT, images: Tensor, n: int) -> list[Tensor]:
    """Tokens after each of the last n blocks, (B, 1+P, D), the deepest last.

    All of them go through the encoder's final norm.
    """
    if not 1 <= n <= len(encoder.blocks):
        raise ValueError(f"n={n}; the encoder has {len(encoder.blocks)} blocks")
    x, tokens = encoder.embed(images), []
    for block in encoder.blocks:
        x = block(x)
        tokens.append(x)
    return [encoder.norm(x) for x in tokens[-n:]]                # -- final norm


def probe_features(
    tokens: Sequence[Tensor],
    n_last_blocks: int,
    avgpool: bool = False,
    interleave: bool = False,
) -> Tensor:
    """Class tokens of the last n blocks side by side, perhaps with the patches' mean.

    tokens: one (B, 1+P, D) a block, the class token first. Returns (B, n D), or
    (B, (n+1) D) with the mean. interleave: channel by channel instead (Differs 1).
    """
    if not 1 <= n_last_blocks <= len(tokens):
        raise ValueError(f"n_last_blocks={n_last_blocks} of {len(tokens)} blocks given")
    parts = [x[:, 0] for x in tokens[-n_last_blocks:]]           # (B, D)  -- class
    if avgpool:
        parts.append(tokens[-1][:, 1:].mean(dim=1))              # (B, D)  -- patches
    return torch.stack(parts, dim=2 if interleave else 1).flatten(1)  # (B, F)  -- x


# The probe


class LinearProbe(nn.Module):
    """One linear layer, small at the start."""

    def __init__(self, dim: int, num_classes: int):
        super().__init__()
        self.linear = nn.Linear(dim, num_classes)
        nn.init.normal_(self.linear.weight, std=0.01)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, F) to logits (B, C)."""
        return self.linear(x.flatten(1))                         # (B, C)  -- W x + b


class BNLinearProbe(nn.Sequential):
    """Batch norm without scale and shift, then linear: still linear when it is done.

    Features of any scale then suit one learning rate.
    """

    def __init__(self, dim: int, num_classes: int):
        linear = nn.Linear(dim, num_classes)
        nn.init.trunc_normal_(linear.weight, std=0.01)
        nn.init.zeros_(linear.bias)
        super().__init__(nn.BatchNorm1d(dim, affine=False, eps=1e-6), linear)  # -- BN


# Training it


def cosine_lrs(lr: float, epochs: int, warmup_epochs: int = 0) -> list[float]:
    """The rate of every epoch: a linear warm-up to lr, then half a cosine towards 0."""
    if not 0 <= warmup_epochs < epochs:
        raise ValueError(f"{warmup_epochs} epochs of warm-up do not fit in {epochs}")
    rising = [lr * (i + 1) / warmup_epochs for i in range(warmup_epochs)]
    left = epochs - warmup_epochs
    falling = [lr * (1 + math.cos(math.pi * i / left)) / 2 for i in range(left)]
    return rising + falling                                      # -- lr


def batches(
    features: Tensor, labels: Tensor, size: int, generator: Generator | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch over features (N, F) and labels (N,), shuffled if given a generator."""
    if len(features) != len(labels):
        raise ValueError(f"{len(features)} features for {len(labels)} labels")
    if generator is not None:
        N, device = len(labels), generator.device
        order = torch.randperm(N, generator=generator, device=device).to(labels.device)
        features, labels = features[order], labels[order]
    yield from zip(features.split(size), labels.split(size), strict=True)


def train_one_epoch(
    probe: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[tuple[Tensor, Tensor]],
) -> float:
    """Cross-entropy on every batch of (features, labels); returns the mean over them.

    The features come from a frozen encoder: no gradient leaves the probe.
    """
    probe.train()
    losses = []
    for features, labels in batches:
        loss = F.cross_entropy(probe(features.detach()), labels)  # ()  -- loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    if not losses:
        raise ValueError("no batches to train on")
    return torch.stack(losses).mean().item()


def train_linear_probe(
    probe: nn.Module,
    optimizer: torch.optim.Optimizer,
    features: Tensor,
    labels: Tensor,
    lrs: Sequence[float],
    batch_size: int,
    generator: Generator | None = None,
) -> list[float]:
    """One epoch for each learning rate; returns each epoch's mean loss.

    features: (N, F), labels: (N,). Without a generator images come in their order.
    """
    history = []
    for lr in lrs:
        for group in optimizer.param_groups:
            group["lr"] = lr
        epoch = batches(features, labels, batch_size, generator)
        history.append(train_one_epoch(probe, optimizer, epoch))
    return history


@torch.no_grad()
def predict(probe: nn.Module, features: Tensor) -> Tensor:
    """Logits (N, C) with the batch norm's running statistics."""
    return probe.eval()(features)


def linear_evaluation(
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    config: Config = TINY,
    generator: Generator | None = None,
) -> list[float]:
    """Top-1 and top-5 in percent on the test set after the last epoch.

    train, test: features (N, F) and labels (N,), classes counted from 0.
    """
    features, labels = train
    num_classes = int(labels.max()) + 1
    kind = BNLinearProbe if config.batch_norm else LinearProbe
    probe = kind(features.shape[1], num_classes).to(features)
    lr = config.lr * config.batch / 256                          # -- linear scaling
    optimizer: torch.optim.Optimizer
    if config.batch_norm:
        optimizer = LARS(
            probe.parameters(), lr, config.weight_decay, config.momentum
        )
    else:
        optimizer = torch.optim.SGD(
            probe.parameters(), lr, config.momentum, weight_decay=config.weight_decay
        )
    lrs = cosine_lrs(lr, config.epochs, config.warmup_epochs)
    train_linear_probe(
        probe, optimizer, features, labels, lrs, config.batch, generator
    )
    return topk_accuracy(predict(probe, test[0]), test[1])
