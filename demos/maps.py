"""Attention weights to maps on the patches: per head, mean, rollout, mass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reference_impls.dino import attention_mass_threshold


@dataclass(frozen=True)
class Views:
    """The class token's attention on a grid of patches, four ways; each sums to 1."""

    heads: np.ndarray    # (h, rows, columns), of the chosen layer
    mean: np.ndarray     # (1, rows, columns)
    rollout: np.ndarray  # (1, rows, columns)
    layers: np.ndarray   # (L, rows, columns), mean over heads

    def __getitem__(self, view: str) -> np.ndarray:
        return getattr(self, view)

    def labels(self, view: str, layer: int) -> list[str]:
        """A short name for each map of a view."""
        if view in ("heads", "layers"):
            return [f"{view[:-1]} {i}" for i in range(len(self[view]))]
        return [f"mean of layer {layer}" if view == "mean" else "rollout"]


def all_views(
    maps: list[Tensor], layer: int, num_prefix: int, grid: tuple[int, int]
) -> Views:
    """maps: one (h, T, T) per layer. The class token's rows, cut to patches."""
    means = on_patches(torch.stack([m.mean(0) for m in maps]), num_prefix)
    heads = on_patches(maps[layer], num_prefix)
    rolled = on_patches(rollout(maps)[None], num_prefix)
    views = (heads, means[layer : layer + 1], rolled, means)
    return Views(*(v.view(-1, *grid).numpy() for v in views))


def on_patches(attention: Tensor, num_prefix: int) -> Tensor:
    """(h, T, T) to (h, N): what the class token gives to each patch, made to sum to 1.

    Without a class token it is what a patch receives from all patches on average.
    """
    row = attention[:, 0] if num_prefix else attention.mean(1)   # (h, T)
    row = row[:, num_prefix:]                                    # (h, N)
    return row / row.sum(-1, keepdim=True)


def rollout(maps: list[Tensor]) -> Tensor:
    """Attention through all layers (Abnar & Zuidema, ACL 2020): (T, T), rows sum to 1.

    The mean over heads, half of it replaced by the identity for the residual path, and
    the layers multiplied.
    """
    identity = torch.eye(maps[0].shape[-1])
    rolled = identity
    for attention in maps:
        mixed = attention.mean(0) + identity                     # (T, T)
        rolled = mixed / mixed.sum(-1, keepdim=True) @ rolled    # (T, T)
    return rolled


def mass_masks(maps: np.ndarray, mass: float) -> np.ndarray:
    """For each map (rows, columns) the fewest patches holding `mass` of it, as bool."""
    flat = torch.from_numpy(maps).flatten(1)                     # (M, N)
    return attention_mass_threshold(flat, mass).view(maps.shape).numpy()
