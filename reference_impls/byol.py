"""BYOL: predict what a slower copy of yourself sees in another view of the image.

Paper:    Grill et al., "Bootstrap Your Own Latent: A New Approach to Self-Supervised
          Learning", NeurIPS 2020, arXiv 2006.07733
Differs:  1. `build` takes a ViT as encoder; the paper's is a ResNet-50. `BYOL` itself
             takes any module from images to (B, width)
          2. the target starts as a copy of the online network; the official code draws
             it anew and reports no difference
          3. one process: the paper's batch norm over all devices is the caller's
          4. the augmentations are those of `simclr`, with what differs there: crops at
             positions between pixels, blur that repeats the border
Checked:  google-deepmind/deepmind-research@f5de0ed (JAX): loss and gradients to 1e-9,
          tau and the average's path over five updates to 1e-10

Shapes:   B images, H x W pixels, S crop side, D projection width, K steps
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls import simclr
from reference_impls.simclr import normalize, sometimes
from reference_impls.vit import ViT, patch_tokens


@dataclass(frozen=True)
class Config:
    """The paper's 1000-epoch recipe (Sec. 3.3), and the ViT that `build` makes."""

    hidden: int = 4096             # of projector and predictor
    dim: int = 256                 # D
    base_tau: float = 0.996
    batch: int = 4096
    epochs: int = 1000
    warmup_epochs: int = 10
    lr: float = 0.2                # times batch / 256; LARS, cosine
    weight_decay: float = 1.5e-6   # not on biases and batch norm
    img_size: int = 224
    patch_size: int = 16
    width: int = 384
    depth: int = 12
    heads: int = 6


TINY = Config(
    hidden=256, dim=64, base_tau=0.97, batch=32, img_size=64, patch_size=8, width=192,
    depth=6, heads=6,
)


# Two views (Sec. 3.1 and appendix B)


@dataclass(frozen=True)
class Augmentation(simclr.Augmentation):
    """SimCLR's distribution of views at half its strength, and solarising."""

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.2
    hue: float = 0.1
    solarize: float = 0.0          # probability


T = Augmentation(blur=1.0)
T_PRIME = Augmentation(blur=0.1, solarize=0.2)


def solarize(images: Tensor) -> Tensor:
    """Pixels from 0.5 upwards turned into their negative."""
    return torch.where(images < 0.5, images, 1 - images)


def augment(
    images: Tensor, how: Augmentation, size: int, generator: Generator
) -> Tensor:
    """One view of each image: SimCLR's changes in SimCLR's order, then solarising.

    images: (B, 3, H, W) in [0, 1]. Returns (B, 3, size, size) in [0, 1].
    """
    x = simclr.augment(images, how, size, generator)
    return sometimes(x, how.solarize, generator, solarize)        # -- solarise


def views(images: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """The two views t(x) and t'(x) of a batch, at the images' own height.

    images: (B, 3, H, W) in [0, 1]. Returns two (B, 3, H, H), normalised as the encoder
    wants them.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(
            f"images of shape {tuple(images.shape)}; views takes (B, 3, H, W) in [0, 1]"
        )
    size = images.shape[-2]
    v = augment(images, T, size, generator)              # (B, 3, H, H)  -- view t
    v_prime = augment(images, T_PRIME, size, generator)  # (B, 3, H, H)  -- view t prime
    return normalize(v), normalize(v_prime)


# The two networks (Sec. 3.1 and 3.3)


def mlp(width: int, hidden: int, dim: int) -> nn.Sequential:
    """Projector g and predictor q: one hidden layer, no batch norm on the output."""
    return nn.Sequential(
        nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(),
        nn.Linear(hidden, dim, bias=False),
    )


class Network(nn.Module):
    """Encoder f, then projector g: what the online and the target network share."""

    def __init__(self, encoder: nn.Module, projector: nn.Module):
        super().__init__()
        self.encoder, self.projector = encoder, projector

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to z, (B, D)."""
        return self.projector(self.encoder(x))


class BYOL(nn.Module):
    """Online network (encoder f, projector g, predictor q) and target network (f, g).

    encoder: any module from images to (B, width). Call `after_step` behind every
    optimiser step: nothing else moves the target.
    """

    def __init__(
        self,
        encoder: nn.Module,
        width: int,
        hidden: int = 4096,
        dim: int = 256,
        base_tau: float = 0.996,
    ):
        super().__init__()
        self.base_tau = base_tau
        self.online = Network(encoder, mlp(width, hidden, dim))
        self.predictor = mlp(dim, hidden, dim)
        self.target = copy.deepcopy(self.online).requires_grad_(False)

    @property
    def encoder(self) -> nn.Module:
        """What is kept after training: f of the online network."""
        return self.online.encoder

    def forward(self, x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Two views to predictions p1, p2 and target projections z1', z2', each (B, D).

        The target keeps its own batch statistics, so it stays in training mode.
        """
        z1, z2 = self.online(x1), self.online(x2)            # (B, D)  -- projections
        p1, p2 = self.predictor(z1), self.predictor(z2)      # (B, D)  -- predictions
        with torch.no_grad():
            # (B, D)  -- target projections
            z1_target, z2_target = self.target(x1), self.target(x2)
        return p1, p2, z1_target, z2_target


# The loss and the two updates (Eq. 1 to 3, Algorithm 1)


def regression_loss(p: Tensor, z_target: Tensor) -> Tensor:
    """Squared distance of unit vectors, 2 - 2 cos (Eq. 2). (B, D) twice to (B,)."""
    length = p.norm(dim=1).clamp(min=1e-12)                       # (B,)
    cosine = (p * F.normalize(z_target, dim=1)).sum(dim=1) / length  # (B,)
    return 2 - 2 * cosine                                         # (B,)  -- distance


def byol_loss(p1: Tensor, p2: Tensor, z1_target: Tensor, z2_target: Tensor) -> Tensor:
    """Each view's prediction against the target's projection of the other view.

    All (B, D), not normalised; index i is view i. Returns a scalar in [0, 8]: the sum
    of both directions, averaged over the batch. No gradient reaches the targets.
    """
    if not p1.shape == p2.shape == z1_target.shape == z2_target.shape:
        raise ValueError(
            f"predictions {tuple(p1.shape)}, {tuple(p2.shape)} and target projections "
            f"{tuple(z1_target.shape)}, {tuple(z2_target.shape)} differ; all are (B, D)"
        )
    z1, z2 = z1_target.detach(), z2_target.detach()               # -- stop-gradient
    loss = regression_loss(p1, z2) + regression_loss(p2, z1)      # (B,)  -- symmetrised
    return loss.mean()


def cosine_tau(
    step: int | Tensor, max_steps: int, base: float = 0.996
) -> float | Tensor:
    """The average's decay at a step: `base` at 0, 1 at `max_steps` (Sec. 3.3)."""
    if max_steps < 1:
        raise ValueError(f"max_steps={max_steps}; a schedule has one step or more")
    k = torch.as_tensor(step, dtype=torch.float64).clamp(0, max_steps)
    tau = 1 - (1 - base) * (torch.cos(math.pi * k / max_steps) + 1) / 2  # -- tau_k
    return tau if isinstance(step, Tensor) else tau.item()


Parameters = nn.Module | Mapping[str, Tensor]


@torch.no_grad()
def ema_update(target: Parameters, online: Parameters, tau: float) -> None:
    """Move the target a little towards the online network, in place (Eq. 1, line 2).

    Two modules of one architecture, or two mappings from names to tensors. Of a module
    the parameters alone: batch norm's running statistics are each network's own.
    """
    xi, theta = named_parameters(target), named_parameters(online)
    if xi.keys() != theta.keys():
        raise ValueError(
            f"target and online differ in {sorted(xi.keys() ^ theta.keys())}; "
            "give the same part of both networks"
        )
    for name, parameter in xi.items():
        parameter.lerp_(theta[name], 1 - tau)  # -- moving average


def named_parameters(network: Parameters) -> Mapping[str, Tensor]:
    if isinstance(network, nn.Module):
        return dict(network.named_parameters())
    return network


# Training


def build(config: Config = TINY) -> BYOL:
    """A whole training model around a ViT whose class token is the representation."""
    encoder = ViT(
        config.img_size, config.patch_size, config.width, config.depth, config.heads
    )
    return BYOL(encoder, config.width, config.hidden, config.dim, config.base_tau)


def training_step(
    model: BYOL, batch: tuple[Tensor, Tensor], step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss, and what to watch: `spread` falls to 0 in a collapse."""
    p1, p2, z1_target, z2_target = model(*batch)
    loss = byol_loss(p1, p2, z1_target, z2_target)
    tau = float(cosine_tau(step, steps, model.base_tau))
    return loss, {"loss": loss.item(), "spread": feature_spread(z1_target), "tau": tau}


def after_step(model: BYOL, step: int, steps: int) -> None:
    """The target follows, after the optimiser's step and with that step's tau."""
    tau = float(cosine_tau(step, steps, model.base_tau))
    ema_update(model.target, model.online, tau)


@torch.no_grad()
def feature_spread(z: Tensor) -> float:
    """Standard deviation of unit-length features, mean over channels. z: (B, D).

    1/sqrt(D) when the features fill the sphere, 0 when all are one point.
    """
    return F.normalize(z, dim=1).std(dim=0).mean().item()


def features(model: BYOL, images: Tensor) -> Tensor:
    """Patch tokens of the online encoder. images: (B, 3, H, W), normalised.

    Returns (B, N, width), after the final norm, without the class token.
    """
    return patch_tokens(model.encoder, images)
