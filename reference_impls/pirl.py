"""PIRL: an image and its jigsaw must land near one memory of that image.

Paper:    Misra & van der Maaten, "Self-Supervised Learning of Pretext-Invariant
          Representations", CVPR 2020, arXiv 1912.01991
Differs:  1. the loss is VISSL's, the authors' own code: both views are scored against
             the memory, exponentials are divided by a constant Z and told from noise
             of probability K / N; the paper writes a softmax inside the logarithm
          2. negatives may hit an image's own row, as in VISSL
          3. `loss_type="cross_entropy"`, VISSL's option, is InfoNCE over these scores
          4. `build` takes a ViT as encoder, the paper's is a ResNet-50: patches are cut
             to whole tokens, and positions are interpolated to their smaller grid
          5. crops and colours are those of `simclr`, with what differs there; those of
             a jigsaw are drawn once, before it is cut, not patch by patch
Checked:  facebookresearch/vissl@09270ed: loss, gradients, memory and Z over up to three
          steps, both kinds of loss, to 1e-7

Shapes:   B images, N rows of memory, K negatives, D embedding width, P patches (9)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls.simclr import (
    Augmentation,
    augment,
    draw,
    gather,
    normalize,
    note,
)
from reference_impls.vit import ViT, patch_tokens

LossType = Literal["nce", "cross_entropy"]
Batch = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class Config:
    """ResNet-50 on ImageNet for 800 epochs."""

    instances: int = 1_281_167     # N: images, and rows of memory
    negatives: int = 32_000        # K
    dim: int = 128                 # D
    temperature: float = 0.07      # tau
    momentum: float = 0.5          # of the memory
    weight: float = 0.5            # lambda: the jigsaw's part of the loss
    batch: int = 1024
    epochs: int = 800
    lr: float = 0.12               # SGD, cosine to 1.2e-4
    weight_decay: float = 1e-4
    img_size: int = 224
    patch_size: int = 16
    width: int = 384
    depth: int = 12
    heads: int = 6


TINY = Config(
    instances=64, negatives=32, dim=64, batch=32, img_size=64, patch_size=8, width=192,
    depth=6, heads=6,
)


# The image and its jigsaw (Sec. 2.3 and 3)

IMAGE = Augmentation(
    brightness=0.4, contrast=0.4, saturation=0.4, hue=0.2, blur=0.0
)
PATCHES = replace(IMAGE, area=(0.6, 1.0))
TOKEN = 8  # pixels; a patch's side is a multiple of it, so that tokens are whole


def jigsaw_patches(images: Tensor, generator: Generator) -> Tensor:
    """Nine patches of a 3 x 3 grid, in random order: (B, 3, S, S) to (B, 9, 3, s, s).

    Each is cut at a random place of its cell, so that edges do not match. s is about
    three quarters of a cell (64 of 85 pixels), as a multiple of 8.
    """
    B, _, S, _ = images.shape
    cell = S // 3
    side = round(0.75 * cell / TOKEN) * TOKEN
    if not 0 < side <= cell:
        raise ValueError(f"images of {S} pixels are too small for 3 x 3 patches")
    # Where the window of each patch of each image begins, (B, 9).
    free = (draw(generator, (2, B, 9), images) * (cell - side + 1)).long()
    place = torch.arange(9, device=images.device)
    top, left = free[0] + place // 3 * cell, free[1] + place % 3 * cell
    note(generator, "tiles", (left, top, side))
    offset = torch.arange(side, device=images.device)           # (s,)
    rows = (top[..., None] + offset)[:, :, None, :, None]       # (B, 9, 1, s, 1)
    columns = (left[..., None] + offset)[:, :, None, None, :]   # (B, 9, 1, 1, s)
    batch = torch.arange(B, device=images.device).view(B, 1, 1, 1, 1)
    channel = torch.arange(3, device=images.device).view(1, 1, 3, 1, 1)
    patches = images[batch, channel, rows, columns]           # (B, 9, 3, s, s)  -- cut
    order = draw(generator, (B, 9), images).argsort(dim=1)      # (B, 9)
    note(generator, "order", order)
    return patches[batch.view(B, 1), order]                     # -- shuffled


def views(
    images: Tensor, generator: Generator, index: Tensor | None = None
) -> Batch:
    """Image views (B, 3, H, H), jigsaws (B, 9, 3, s, s), and rows of memory (B,).

    images: (B, 3, H, W) in [0, 1]. index: which image of the data set each one is, 0 to
    B - 1 by default. Pixels are normalised as the encoder wants them.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(
            f"images of shape {tuple(images.shape)}; views takes (B, 3, H, W) in [0, 1]"
        )
    size = images.shape[-2]
    index = torch.arange(len(images)) if index is None else index
    view = augment(images, IMAGE, size, generator)              # (B, 3, H, H)
    other = augment(images, PATCHES, size, generator)           # (B, 3, H, H)
    jigsaw = jigsaw_patches(normalize(other), generator)        # (B, 9, 3, s, s)
    return normalize(view), jigsaw, index.to(images.device)


# The loss (Eq. 3 to 5) and the memory (Sec. 2.2)


def pirl_loss(
    v_patch: Tensor,
    v_image: Tensor,
    memory: Tensor,
    index: Tensor,
    neg_index: Tensor,
    temperature: float = 0.07,
    Z: Tensor | float | None = None,
    loss_type: LossType = "nce",
    weights: tuple[float, float] = (0.5, 0.5),
    memory_momentum: float = 0.5,
) -> tuple[Tensor, Tensor, Tensor | float | None]:
    """Jigsaw and image, each against the memory: own row against K others.

    v_patch, v_image: (B, D), not normalised. memory: (N, D), unit rows, no gradient.
    index: (B,), each image's own row. neg_index: (2, B, K), rows of other images, for
    the jigsaw's and for the image's term.
    Returns the loss, the memory after it, and Z, which is set in the first step and
    must be handed in from then on ("nce" only).
    """
    if v_patch.shape != v_image.shape or v_image.shape[1] != memory.shape[1]:
        raise ValueError(
            f"embeddings {tuple(v_patch.shape)} and {tuple(v_image.shape)} are both "
            f"(B, D), the memory (N, D); it is {tuple(memory.shape)}"
        )
    if neg_index.shape[:2] != (2, len(index)):
        raise ValueError(
            f"neg_index {tuple(neg_index.shape)} must be (2, {len(index)}, K): the "
            "jigsaw's negatives, then the image's"
        )
    if temperature <= 0:
        raise ValueError(f"temperature {temperature} must be above 0")
    if loss_type not in ("nce", "cross_entropy"):
        raise ValueError(f"loss_type={loss_type!r}; choose 'nce' or 'cross_entropy'")
    # Exponentials of cosines over a small temperature do not survive half precision.
    with torch.autocast(v_image.device.type, enabled=False):
        memory = memory.detach()
        v = torch.stack([v_patch, v_image]).to(memory.dtype)    # (2, B, D)
        v = F.normalize(v, dim=2)
        own = index.expand(2, -1)[..., None]                    # (2, B, 1)
        rows = torch.cat([own, neg_index], dim=2)               # (2, B, 1+K)
        # All rows at once and then a choice: cheaper than copying K rows an image.
        scores = (v / temperature @ memory.T).gather(2, rows)   # (2, B, 1+K)  -- scores
        if loss_type == "nce":
            if Z is None:
                Z = partition(scores[0], len(memory))
            terms = nce(scores, Z, len(memory))                 # (2,)
        else:
            positive = scores[..., 0]                           # (2, B)
            terms = (scores.logsumexp(2) - positive).mean(1)    # (2,)  -- InfoNCE
        loss = weights[0] * terms[0] + weights[1] * terms[1]    # ()  -- both views
    return loss, update(memory, index, v[1].detach(), memory_momentum), Z


def partition(scores: Tensor, N: int) -> Tensor:
    """The constant Z: N times the first batch's mean exponential. (B, 1+K) to ()."""
    mean = scores.detach().exp().mean()
    return N * gather(mean[None]).mean()                        # ()  -- Z


def nce(scores: Tensor, Z: Tensor | float, N: int) -> Tensor:
    """Tell the own row (column 0) from noise: (2, B, 1+K) to (2,).

    With P = exp(score) / Z and c = K / N: P / (P + c) is the chance that a row is the
    own one, c / (P + c) that it is noise.
    """
    K = scores.shape[2] - 1
    c, eps = K / N, torch.finfo(torch.float32).eps
    Z = torch.as_tensor(Z, dtype=scores.dtype, device=scores.device)
    P = scores.exp() / Z                                        # (2, B, 1+K)  -- P
    surprise = ((P + eps) / c).log1p()                          # log (P + c) / c
    odds = scores[..., 0] - math.log(c) - Z.log()               # (2, B)  log P / c
    own = odds - surprise[..., 0]                               # (2, B)  -- log h
    others = -surprise[..., 1:].sum(2)                          # (2, B)  -- log (1 - h)
    return -(own + others).mean(1)                              # (2,)  -- NCE


def update(memory: Tensor, index: Tensor, v: Tensor, momentum: float) -> Tensor:
    """The images' rows move towards their new embeddings v, (B, D), at length 1.

    Given the image view's v: the jigsaw's is not remembered. A new memory (N, D).
    """
    index, v = gather(index), gather(v)                         # of all processes
    rows = momentum * memory[index] + (1 - momentum) * v        # (B, D)  -- average
    return memory.index_copy(0, index, F.normalize(rows, dim=1))  # (N, D)  -- unit rows


# The network (Sec. 2.3, Fig. 3)


class PIRL(nn.Module):
    """One encoder for images and patches, a head for each, and the memory.

    encoder: any module from images of both sizes to (B, width).
    """

    memory: Tensor
    Z: Tensor

    def __init__(self, encoder: nn.Module, width: int, config: Config):
        super().__init__()
        self.config, self.encoder = config, encoder
        D = config.dim
        self.image_head = nn.Linear(width, D)                   # f
        self.patch_head = nn.Linear(width, D)                   # g, for each patch
        self.jigsaw_head = nn.Linear(9 * D, D)                  # g, for all nine
        memory = F.normalize(torch.randn(config.instances, D), dim=1)
        self.register_buffer("memory", memory)
        self.register_buffer("Z", torch.zeros(()))              # 0: not set yet

    def forward(self, images: Tensor, patches: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) and (B, 9, 3, s, s) to v_patch and v_image, (B, D) each."""
        v_image = self.image_head(self.encoder(images))         # (B, D)  -- f
        h = self.patch_head(self.encoder(patches.flatten(0, 1)))  # (9B, D)
        v_patch = self.jigsaw_head(h.view(len(images), -1))     # (B, D)  -- g
        return v_patch, v_image


# Training


def build(config: Config = TINY) -> PIRL:
    """A whole training model around a ViT whose class token is the representation."""
    encoder = ViT(
        config.img_size, config.patch_size, config.width, config.depth, config.heads
    )
    return PIRL(encoder, config.width, config)


def training_step(
    model: PIRL, batch: Batch, step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss; the memory is renewed behind it. Negatives are drawn here.

    To watch: how near an image and its jigsaw are (`agreement`, a cosine).
    """
    images, patches, index = batch
    how, (N, _) = model.config, model.memory.shape
    if int(index.max()) >= N:
        raise ValueError(
            f"index {int(index.max())} is beyond the memory; build the model with "
            "instances = the number of images"
        )
    v_patch, v_image = model(images, patches)
    shape = (2, len(index), how.negatives)
    neg_index = torch.randint(N, shape, device=index.device)    # -- negatives
    loss, memory, Z = pirl_loss(
        v_patch, v_image, model.memory, index, neg_index, how.temperature,
        model.Z if model.Z > 0 else None, "nce", (how.weight, 1 - how.weight),
        how.momentum,
    )
    # Not in place: the way back still needs the old memory.
    model.memory, model.Z = memory, torch.as_tensor(Z)          # -- remember
    agreement = F.cosine_similarity(v_patch, v_image, dim=1).mean().item()
    return loss, {"loss": loss.item(), "agreement": agreement}


def features(model: PIRL, images: Tensor) -> Tensor:
    """Patch tokens of the encoder. images: (B, 3, H, W), normalised; (B, N, width)."""
    return patch_tokens(model.encoder, images)
