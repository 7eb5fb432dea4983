"""A picture with noise on it, given to a CAN, and what its decoder makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from demos.pieces.hiding import psnr
from reference_impls.can import CAN
from reference_impls.mae import unpatchify
from reference_impls.simclr import MEAN, STD, normalize

RATIO = 0.5  # as in the paper; so every patch is visible under one of two masks


@dataclass(frozen=True)
class Denoised:
    """Pictures (3, H, W), in [0, 1] if clipped. claimed: the level that was told."""

    claimed: float
    truth: np.ndarray
    noisy: np.ndarray
    half: np.ndarray      # the noisy one, what the first mask hides left out as NaN
    restored: np.ndarray  # less the noise that the decoder named where it saw
    painted: np.ndarray   # what it painted where it did not see

    def score(self, which: str) -> float:
        """PSNR of one of the pictures in dB."""
        return psnr(getattr(self, which).clip(0, 1), self.truth)


@torch.no_grad()
def denoise(
    model: CAN, truth: Tensor, sigma: float, claimed: float, seed: int
) -> Denoised:
    """Add noise of level sigma, tell the decoder another one, and read its answer.

    truth: (3, H, W) in [0, 1], sides whole multiples of the model's. Both levels above
    zero, in deviations of a pixel. Each tile goes in under two masks that complement
    each other.
    """
    side, p = model.grid * model.patch_size, model.patch_size
    tiles = cut(normalize(truth[None])[0], side)                 # (T, 3, S, S)
    generator = torch.Generator().manual_seed(seed)
    eps = torch.randn(tiles.shape, generator=generator).to(tiles)
    order = torch.rand(len(tiles), model.grid**2, generator=generator).to(tiles)
    out = model(
        tiles.repeat(2, 1, 1, 1), RATIO,
        u=torch.full((2 * len(tiles),), claimed / model.std).to(tiles),
        eps=(eps * sigma / claimed).repeat(2, 1, 1, 1),
        noise=torch.cat([order, 1 - order]),
    )
    hidden = out["mask"][..., None]                              # (2T, N, 1)
    named, painted = (
        sum((out["pred"] * where).chunk(2)) for where in (1 - hidden, hidden)
    )                                                            # (T, N, p*p*3) each
    noisy = tiles + sigma * eps
    blind = torch.where(hidden[: len(tiles)] > 0, torch.nan, torch.zeros_like(named))
    pictures = (
        noisy, noisy + unpatchify(blind, p), noisy - unpatchify(named, p),
        unpatchify(painted, p),
    )
    shown = (laid(one, truth.shape[-1] // side) for one in pictures)
    return Denoised(claimed, truth.cpu().numpy(), *shown)


def cut(picture: Tensor, side: int) -> Tensor:
    """(3, H, W) to its tiles (T, 3, side, side), row by row."""
    tiles = picture.unfold(1, side, side).unfold(2, side, side)  # (3, h, w, S, S)
    return tiles.permute(1, 2, 0, 3, 4).flatten(0, 1)


def laid(tiles: Tensor, columns: int) -> np.ndarray:
    """Tiles (T, 3, S, S) of normalised pixels back to a picture (3, H, W)."""
    rows = tiles.unflatten(0, (-1, columns)).permute(2, 0, 3, 1, 4)
    picture = rows.flatten(3, 4).flatten(1, 2).cpu()             # (3, H, W)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    return (picture * std + mean).numpy()
