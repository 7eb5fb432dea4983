"""Triplet loss: an anchor lies closer to its own kind than to others, by a margin.

Paper:    Schroff, Kalenichenko & Philbin, "FaceNet: A Unified Embedding for Face
          Recognition and Clustering", CVPR 2015, arXiv 1503.03832.
          Pairs: Hadsell, Chopra & LeCun, "Dimensionality Reduction by Learning an
          Invariant Mapping", CVPR 2006
Differs:  1. the loss is the mean over all triplets, inactive ones included; the paper
             writes a sum, some packages average the active ones alone
          2. `squared=False` is torch's convention: distances are not squared, and
             `eps` is added to every coordinate of the difference
          3. a pair without a semi-hard negative takes the farthest negative there is;
             the paper does not say what it does
          4. of the semi-hard negatives the nearest is taken
          5. in the pair loss 1 means the same kind; Hadsell's Y is 0 there
          6. `build` takes a ViT; the paper's encoder is an Inception network
Checked:  adambielski/siamese-triplet@0c719f9 and torch 2.14.1: losses and gradients to
          1e-8 or better

Shapes:   B anchors or images, D embedding width, P pairs
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_impls.vit import ViT


@dataclass(frozen=True)
class Config:
    """FaceNet's numbers, and the ViT that `build` makes."""

    dim: int = 128          # D
    margin: float = 0.2     # alpha, of squared distances between unit vectors
    batch: int = 1800       # about; triplets are found inside it
    img_size: int = 224
    patch_size: int = 16
    width: int = 384
    depth: int = 12
    heads: int = 6


TINY = Config(
    dim=32, batch=32, img_size=64, patch_size=8, width=192, depth=6, heads=6
)


# The losses (Sec. 3.1; Hadsell et al., Eq. 4)


def triplet_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    squared: bool = True,
    eps: float = 1e-6,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Tensor:
    """How far each triplet is from keeping its margin: max(d_ap - d_an + margin, 0).

    anchor, positive, negative: (B, D). Returns a scalar, or (B,) without reduction.
    """
    if not anchor.shape == positive.shape == negative.shape:
        raise ValueError(
            f"anchors {tuple(anchor.shape)}, positives {tuple(positive.shape)} and "
            f"negatives {tuple(negative.shape)} differ; all are (B, D)"
        )
    if margin <= 0:
        raise ValueError(
            f"margin {margin} must be above 0, or equal embeddings are a solution"
        )
    if squared:
        near = (anchor - positive).square().sum(dim=1)      # (B,)  -- d(a, p)
        far = (anchor - negative).square().sum(dim=1)       # (B,)  -- d(a, n)
    else:
        near = F.pairwise_distance(anchor, positive, eps=eps)
        far = F.pairwise_distance(anchor, negative, eps=eps)
    loss = F.relu(near - far + margin)                      # (B,)  -- hinge
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.mean()


def contrastive_pair_loss(
    z1: Tensor, z2: Tensor, same: Tensor, margin: float = 1.0
) -> Tensor:
    """Pairs of one kind pulled together, others pushed apart up to the margin.

    z1, z2: (B, D). same: (B,), 1 for a pair of one kind. Returns a scalar.
    """
    if z1.shape != z2.shape or same.shape != z1.shape[:1]:
        raise ValueError(
            f"z1 {tuple(z1.shape)}, z2 {tuple(z2.shape)} and same {tuple(same.shape)}; "
            "give (B, D) twice and one answer (B,) per pair"
        )
    squared = (z1 - z2).square().sum(dim=1)                 # (B,)  -- d^2
    # The root has no slope at 0: equal embeddings would get NaN for a gradient.
    distance = (squared + 1e-9).sqrt()                      # (B,)  -- d
    apart = F.relu(margin - distance).square()              # (B,)  -- margin
    return torch.where(same.bool(), squared, apart).mean() / 2  # ()  -- pair loss


# Which triplets (Sec. 3.2)


@torch.no_grad()
def semi_hard_triplets(z: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For every pair of one label, the nearest negative that is beyond the positive.

    The very hardest negatives, nearer than the positive, let training collapse early.
    z: (B, D). labels: (B,). Returns the rows of anchors, positives and negatives, (P,)
    each.
    """
    if labels.shape != z.shape[:1]:
        raise ValueError(
            f"labels {tuple(labels.shape)} for embeddings {tuple(z.shape)}; give "
            "one each"
        )
    same = labels[:, None] == labels                        # (B, B)
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    anchors, positives = (same & ~itself).nonzero().unbind(1)  # (P,)
    negatives = (~same).sum(dim=1)                          # (B,)  how many
    if not (len(anchors) and negatives[anchors].all()):
        raise ValueError(
            "no triplets; the batch needs two of a label and another label beside it"
        )
    # Straight differences: the shortcut by dot products loses small distances.
    distances = torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist")
    to_others = distances.masked_fill(same, torch.inf)      # (B, B)
    sorted_, rows = to_others.sort(dim=1, stable=True)                   # (B, B)
    beyond = torch.searchsorted(sorted_, distances, right=True)  # (B, B)  -- semi-hard
    beyond = torch.minimum(beyond, negatives[:, None] - 1)  # or the farthest
    return anchors, positives, rows[anchors, beyond[anchors, positives]]


# The model and its training


class FaceNet(nn.Module):
    """Encoder, one linear map, and unit length. encoder: any module to (B, width)."""

    def __init__(self, encoder: nn.Module, width: int, dim: int, margin: float = 0.2):
        super().__init__()
        self.encoder, self.fc, self.margin = encoder, nn.Linear(width, dim), margin

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to embeddings on the unit sphere, (B, D)."""
        return F.normalize(self.fc(self.encoder(images)), dim=1)  # -- unit length


def build(config: Config = TINY) -> FaceNet:
    """The model around a ViT."""
    encoder = ViT(
        config.img_size, config.patch_size, config.width, config.depth, config.heads
    )
    return FaceNet(encoder, config.width, config.dim, config.margin)


def training_step(
    model: FaceNet, batch: tuple[Tensor, Tensor], step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step on normalised images (B, 3, H, W) and who is on them, labels (B,).

    `active`: share of triplets that still violate their margin; 0 teaches nothing.
    """
    images, labels = batch
    z = model(images)                                       # (B, D)
    a, p, n = semi_hard_triplets(z, labels)
    losses = triplet_loss(z[a], z[p], z[n], model.margin, reduction="none")  # (P,)
    loss = losses.mean()
    return loss, {"loss": loss.item(), "active": (losses > 0).float().mean().item()}
