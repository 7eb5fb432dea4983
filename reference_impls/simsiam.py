"""SimSiam: two views, one encoder, and a stopped gradient is enough against collapse.

Paper:    Chen & He, "Exploring Simple Siamese Representation Learning",
          CVPR 2021, arXiv 2011.10566
Differs:  1. `build` takes a ViT as encoder; the paper's is a ResNet-50. `SimSiam`
             itself takes any that ends in `fc` or `head`
          2. one process: the paper's batch norm over all devices is the caller's
             (`nn.SyncBatchNorm`)
          3. `stop_gradient=False` exists so that the collapse can be watched (Fig. 2)
          4. views are made by `simclr`'s augmentations, with what differs there; they
             add to brightness where upstream's scale it
Checked:  facebookresearch/simsiam@a7bc177: loss and gradient to 1e-9,
          three optimiser steps to 1e-7

Shapes:   B images, D projection width, H predictor's hidden width
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Generator, Tensor, nn
from torch.linalg import vecdot, vector_norm

from reference_impls.byol import feature_spread
from reference_impls.moco import last_layer
from reference_impls.simclr import Augmentation, two_views
from reference_impls.vit import ViT, patch_tokens


@dataclass(frozen=True)
class Config:
    """The paper's recipe (Sec. 3 and 4): ImageNet, and the ViT that `build` makes."""

    dim: int = 2048         # D: projector and predictor output
    pred_dim: int = 512     # H: the predictor's bottleneck
    lr: float = 0.05        # times batch / 256; SGD, cosine, constant for the predictor
    momentum: float = 0.9
    weight_decay: float = 1e-4
    batch: int = 512
    epochs: int = 100
    img_size: int = 224
    patch_size: int = 16
    width: int = 384
    depth: int = 12
    heads: int = 6


TINY = Config(
    dim=128, pred_dim=32, batch=32, img_size=64, patch_size=8, width=192, depth=6,
    heads=6,
)


# Two views (Sec. 3, "baseline settings")

HOW = Augmentation(
    area=(0.2, 1.0), brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1
)


def views(images: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Two views of each image: (B, 3, H, W) in [0, 1] to two (B, 3, H, H), normalised.

    SimCLR's distribution with crops not as small and colours at half the strength.
    """
    return two_views(images, generator, HOW)


# The loss (Eq. 1 to 4)


def similarity(p: Tensor, z: Tensor) -> Tensor:
    """Cosine of each prediction to a projection, (B, D) twice to (B,)."""
    lengths = vector_norm(p, dim=1) * vector_norm(z, dim=1)           # (B,)
    return vecdot(p, z, dim=1) / lengths.clamp(min=1e-8)              # (B,)  -- cosine


def simsiam_loss(
    p1: Tensor, p2: Tensor, z1: Tensor, z2: Tensor, *, stop_gradient: bool = True
) -> Tensor:
    """Negative cosine of each prediction to the other view's projection (Eq. 4).

    p1, p2, z1, z2: (B, D), not normalised.
    Returns a scalar in [-1, 1]; -1 when all views agree.
    """
    if not p1.shape == p2.shape == z1.shape == z2.shape or p1.ndim != 2:
        raise ValueError(
            f"predictions {tuple(p1.shape)}, {tuple(p2.shape)} and projections "
            f"{tuple(z1.shape)}, {tuple(z2.shape)} must have one shape (B, D)"
        )
    if stop_gradient:
        z1, z2 = z1.detach(), z2.detach()              # -- stop-gradient
    towards_z2 = similarity(p1, z2)                    # (B,)  -- D(p1, z2)
    towards_z1 = similarity(p2, z1)                    # (B,)  -- D(p2, z1)
    return -(towards_z2 + towards_z1).mean() / 2       # ()  -- symmetrised


# The network (Sec. 3)


def projector(width: int, dim: int) -> nn.Sequential:
    """Three layers, batch norm on each; the last unscaled and without ReLU."""
    return nn.Sequential(
        nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(),
        nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(),
        nn.Linear(width, dim), nn.BatchNorm1d(dim, affine=False),
    )


def predictor(dim: int, pred_dim: int) -> nn.Sequential:
    """A bottleneck; no batch norm on its output, or training is unstable (Tab. 3)."""
    return nn.Sequential(
        nn.Linear(dim, pred_dim, bias=False), nn.BatchNorm1d(pred_dim), nn.ReLU(),
        nn.Linear(pred_dim, dim),
    )


class SimSiam(nn.Module):
    """Encoder f (backbone and projector), and predictor h on one side of the pair.

    base_encoder: builds a backbone that ends in `fc` (torchvision's habit) or `head`, a
    Linear to the given width; the projector takes its place.
    """

    def __init__(
        self,
        base_encoder: Callable[[int], nn.Module],
        dim: int = 2048,
        pred_dim: int = 512,
    ):
        super().__init__()
        self.encoder = base_encoder(dim)
        name = last_layer(self.encoder)
        last = projector(getattr(self.encoder, name).in_features, dim)
        # The norm behind it makes this bias idle; upstream keeps and freezes it.
        last[6].bias.requires_grad = False
        setattr(self.encoder, name, last)
        self.predictor = predictor(dim, pred_dim)

    def forward(self, x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Two views of one batch to (p1, p2, z1, z2), each (B, D)."""
        z1, z2 = self.encoder(x1), self.encoder(x2)      # (B, D)  -- f
        p1, p2 = self.predictor(z1), self.predictor(z2)  # (B, D)  -- h
        return p1, p2, z1, z2


# Training


def build(config: Config = TINY) -> SimSiam:
    """A whole training model around a ViT whose class token is the representation."""
    c = config

    def base_encoder(dim: int) -> ViT:
        encoder = ViT(c.img_size, c.patch_size, c.width, c.depth, c.heads)
        encoder.head = nn.Linear(c.width, dim)
        return encoder

    return SimSiam(base_encoder, c.dim, c.pred_dim)


def training_step(
    model: SimSiam, batch: tuple[Tensor, Tensor], step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss, and what to watch.

    `spread` is 1/sqrt(D) in health, 0 in collapse.
    """
    p1, p2, z1, z2 = model(*batch)
    loss = simsiam_loss(p1, p2, z1, z2)
    return loss, {"loss": loss.item(), "spread": feature_spread(z1)}  # -- spread


def features(model: SimSiam, images: Tensor) -> Tensor:
    """Patch tokens of the encoder. images: (B, 3, H, W), normalised; (B, N, width)."""
    return patch_tokens(model.encoder, images)
