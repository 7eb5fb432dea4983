"""Attention weights to maps on the patches: per head, mean, rollout, mass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from reference_impls.dino import attention_mass_threshold


def layer_weights(model: nn.Module, x: Tensor) -> Iterator[Tensor]:
    """What a ViT's `get_attention` gives, (h, T, T) for one image, layer by layer.

    So no two layers are in memory at once, and each can be shown as it comes.
    """
    x = model.embed(x)
    for block in model.blocks:
        x, weights = block.attend(x)
        yield weights[0].float().cpu()


@dataclass(frozen=True)
class Reading:
    """All that is drawn from, of one picture: a thousandth of the weights."""

    rows: Tensor     # (L, h, N): what the class token gives to each patch
    rollout: Tensor  # (1, N): the same, followed through all layers


def read(layers: Iterable[Tensor], num_prefix: int) -> Reading:
    """Keep of each layer (h, T, T) what the maps need."""
    rows, means = [], []
    for attention in layers:
        rows.append(to_patches(attention, num_prefix))
        means.append(attention.mean(0, keepdim=True))            # (1, T, T)
    T = means[0].shape[-1]
    # The class token, or without one every patch alike.
    top = torch.eye(1, T) if num_prefix else torch.full((1, T), 1 / T)
    return Reading(torch.stack(rows), rollout(means, top)[:, num_prefix:])


def to_patches(attention: Tensor, num_prefix: int) -> Tensor:
    """(h, T, T) to (h, N): what the class token gives to each patch.

    Without a class token it is what a patch receives from all patches on average.
    """
    row = attention[:, 0] if num_prefix else attention.mean(1)   # (h, T)
    return row[:, num_prefix:]                                   # (h, N)


def rollout(maps: Sequence[Tensor], top: Tensor) -> Tensor:
    """Attention through all layers (Abnar & Zuidema, ACL 2020), from the top down.

    The mean over heads, half of it replaced by the identity for the residual path, and
    the layers multiplied; row by row, because few rows are looked at.
    maps: (h, T, T) each; top: (K, T), tokens after the last layer. Returns (K, T).
    """
    rolled = top
    for attention in reversed(maps):
        mean = attention.mean(0)                                 # (T, T)
        share = rolled / (mean.sum(-1) + 1)                      # (K, T)
        rolled = share @ mean + share                            # (K, T)
    return rolled


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


def all_views(reading: Reading, layer: int, grid: tuple[int, int]) -> Views:
    """A reading as maps; `heads` and `mean` are of one layer."""
    means = reading.rows.mean(1)                                 # (L, N)
    views = (reading.rows[layer], means[layer][None], reading.rollout, means)
    return Views(*(on_grid(v, grid) for v in views))


def on_grid(maps: Tensor, grid: tuple[int, int]) -> np.ndarray:
    """(M, N) to (M, rows, columns), each made to sum to 1."""
    maps = maps / maps.sum(-1, keepdim=True)                     # (M, N)
    return maps.view(-1, *grid).numpy()


def mass_masks(maps: np.ndarray, mass: float) -> np.ndarray:
    """For each map (rows, columns) the fewest patches holding `mass` of it, as bool."""
    flat = torch.from_numpy(maps).flatten(1)                     # (M, N)
    return attention_mass_threshold(flat, mass).view(maps.shape).numpy()


# In words


def each(labels: list[str], drawn: np.ndarray) -> str:
    """Every map in words."""
    words = [f"{n}: {described(m)}" for n, m in zip(labels, drawn, strict=True)]
    return "; ".join(words) + "."


def described(attention: np.ndarray) -> str:
    """Where a map is strongest, for those who cannot see it."""
    rows, columns = attention.shape
    row, column = np.unravel_index(int(attention.argmax()), attention.shape)
    place = (
        ("top", "middle", "bottom")[int(3 * row / rows)],
        ("left", "centre", "right")[int(3 * column / columns)],
    )
    strength = attention.max() * attention.size
    return f"strongest at {' '.join(place)}, {strength:.1f} times the average"
