"""Barlow Twins: features that agree between views, and do not repeat each other.

Paper:    Zbontar et al., "Barlow Twins: Self-Supervised Learning via Redundancy
          Reduction", ICML 2021, arXiv 2103.03230
Differs:  1. `build` takes a ViT as encoder; the paper's is a ResNet-50. `BarlowTwins`
             itself takes any module from images to (B, width)
          2. with several processes each gathers all projections and computes the whole
             matrix; upstream synchronises batch norm and adds up the processes'
             matrices, which gives the same one
          3. the projections are standardised inside the loss; upstream's `bn` also
             keeps running averages (`bn.*` in its checkpoints), which nothing reads
          4. the matrix is computed in single precision under autocast too
          5. the projector's batch norm over all devices is the caller's
             (`nn.SyncBatchNorm`)
          6. views are BYOL's, as `byol` makes them, with what differs there
Checked:  facebookresearch/barlowtwins@8e8d284 main.py: loss, matrix and gradients to
          1e-9; lightly 1.6.0 agrees

Shapes:   B images, N images in the batch of all processes, D features
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls import byol
from reference_impls.simclr import gather
from reference_impls.vit import ViT, patch_tokens


@dataclass(frozen=True)
class Config:
    """The paper's 1000-epoch recipe, and the ViT that `build` makes."""

    hidden: int = 8192             # of the projector, both layers
    dim: int = 8192                # D: more is better, unlike in other methods (Fig. 4)
    lambd: float = 0.0051          # lambda, weight of the redundancy
    batch: int = 2048
    epochs: int = 1000
    warmup_epochs: int = 10
    lr: float = 0.2                # times batch / 256; LARS, cosine to a thousandth
    lr_biases: float = 0.0048      # the same for biases and batch norm
    weight_decay: float = 1e-6
    img_size: int = 224
    patch_size: int = 16
    width: int = 384
    depth: int = 12
    heads: int = 6


TINY = Config(
    hidden=256, dim=256, batch=32, img_size=64, patch_size=8, width=192, depth=6,
    heads=6,
)


# The loss (Sec. 2.1, Algorithm 1)


def cross_correlation(z1: Tensor, z2: Tensor, eps: float = 1e-5) -> Tensor:
    """How each feature of one view goes with each of the other, over the batch (Eq. 2).

    z1, z2: (B, D), row i of both from one image. Returns C, (D, D), entries in [-1, 1].
    Each feature is centred and divided by its biased deviation. With several processes
    the batch is everybody's.
    """
    if z1.shape != z2.shape or z1.ndim != 2:
        raise ValueError(
            f"views {tuple(z1.shape)} and {tuple(z2.shape)} must have one shape (B, D)"
        )
    if len(z1) < 2:
        raise ValueError("one image has no correlations; make the batch larger")
    z1, z2 = gather(z1), gather(z2)                               # (N, D)
    z1 = F.batch_norm(z1, None, None, training=True, eps=eps)     # -- standardised
    z2 = F.batch_norm(z2, None, None, training=True, eps=eps)
    return z1.T @ z2 / len(z1)                                    # (D, D)  -- C


def redundancy_reduction(c: Tensor, lambd: float = 0.0051) -> Tensor:
    """How far C is from the identity (Eq. 1). (D, D) to a scalar, at least 0."""
    diagonal = c.diagonal()                                       # (D,)
    invariance = (1 - diagonal).square().sum()                    # -- invariance
    # Everything less the diagonal: D^2 numbers are read once and none is copied.
    redundancy = c.square().sum() - diagonal.square().sum()       # -- redundancy
    return invariance + lambd * redundancy                        # ()  -- L_BT


def barlow_twins_loss(
    z1: Tensor, z2: Tensor, lambd: float = 0.0051, eps: float = 1e-5
) -> Tensor:
    """Bring the cross-correlation of two views to the identity (Eq. 1).

    z1, z2: (B, D), as the projector gives them. A sum over D^2 entries: it grows with
    the number of features.
    """
    # Squares of D^2 correlations do not survive being added up in half precision.
    with torch.autocast(z1.device.type, enabled=False):
        z1, z2 = (z.to(torch.promote_types(z.dtype, torch.float32)) for z in (z1, z2))
        return redundancy_reduction(cross_correlation(z1, z2, eps), lambd)


# The network (Sec. 2.2)


def projector(width: int, hidden: int, dim: int) -> nn.Sequential:
    """Three wide layers without biases, batch norm and ReLU behind the first two."""
    return nn.Sequential(
        nn.Linear(width, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(),
        nn.Linear(hidden, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(),
        nn.Linear(hidden, dim, bias=False),
    )


class BarlowTwins(nn.Module):
    """One network for both views: no predictor, no moving average, no stopped gradient.

    backbone: any module from images to (B, width).
    """

    def __init__(
        self,
        backbone: nn.Module,
        width: int,
        hidden: int = 8192,
        dim: int = 8192,
        lambd: float = 0.0051,
    ):
        super().__init__()
        self.lambd = lambd
        self.backbone = backbone
        self.projector = projector(width, hidden, dim)

    @property
    def encoder(self) -> nn.Module:
        """What is kept after training."""
        return self.backbone

    def forward(self, y1: Tensor, y2: Tensor) -> tuple[Tensor, Tensor]:
        """Two views to their projections z1, z2, (B, D) each.

        View by view: the projector's batch norm sees one at a time.
        """
        z1 = self.projector(self.backbone(y1))                    # (B, D)  -- Z^A
        z2 = self.projector(self.backbone(y2))                    # (B, D)  -- Z^B
        return z1, z2


# Training


def views(images: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """BYOL's two distributions of views: (B, 3, H, W) in [0, 1] to two (B, 3, H, H)."""
    return byol.views(images, generator)


def build(config: Config = TINY) -> BarlowTwins:
    """A whole training model around a ViT whose class token is the representation."""
    c = config
    encoder = ViT(c.img_size, c.patch_size, c.width, c.depth, c.heads)
    return BarlowTwins(encoder, c.width, c.hidden, c.dim, c.lambd)


def training_step(
    model: BarlowTwins, batch: tuple[Tensor, Tensor], step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss, and what to watch: see `agreement`."""
    z1, z2 = model(*batch)
    loss = barlow_twins_loss(z1, z2, model.lambd)
    return loss, {"loss": loss.item()} | agreement(z1.detach(), z2.detach())


def agreement(z1: Tensor, z2: Tensor) -> dict[str, float]:
    """The mean of C's diagonal, which should rise to 1, and the size of all the rest.

    `redundancy` is the root mean square off the diagonal: 1 / sqrt(N) by mere chance.
    """
    c = cross_correlation(z1.float(), z2.float())
    diagonal = c.diagonal()
    rest = (c.square().sum() - diagonal.square().sum()) / (c.numel() - len(c))
    return {"invariance": diagonal.mean().item(), "redundancy": rest.sqrt().item()}


def features(model: BarlowTwins, images: Tensor) -> Tensor:
    """Patch tokens of the encoder. images: (B, 3, H, W), normalised; (B, N, width)."""
    return patch_tokens(model.encoder, images)
