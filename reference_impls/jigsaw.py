"""Jigsaw: shuffle nine tiles of an image and name the permutation that did it.

Paper:    Noroozi & Favaro, "Unsupervised Learning of Visual Representations by Solving
          Jigsaw Puzzles", ECCV 2016, arXiv 1603.09246.
          Orders of frames: Misra et al., "Shuffle and Learn", ECCV 2016, arXiv
          1603.08561 (binary); Lee et al., "Unsupervised Representation Learning by
          Sorting Sequences", ICCV 2017, arXiv 1708.01246 (n!/2 classes); Xu et al.,
          "Video Clip Order Prediction", CVPR 2019 (n! classes)
Differs:  1. `build` takes a ViT on each tile; the paper's is an AlexNet whose first
             stride is 2. `ContextFreeNetwork` itself takes any module to (B, width)
          2. the greedy choice starts at `first_index`, the paper's at a random one;
             ties go to the first in lexicographic order, sums in float64 as the port
          3. tiles keep their pixels; the port enlarges them from 64 to 75. Cells are a
             third of the image, 74 pixels of 224; the paper's have 75, later 85
          4. colour channels move by whole pixels inside the tile's own cell
          5. greyscale puts luma in all channels and draws anew each time; the paper
             made 30 % of its images grey for good
Checked:  bbrattoli/JigsawPuzzlePytorch@ec85994 (third-party port): the same
          permutations; frame orders against an independent computation, exactly

Shapes:   B images or clips, n tiles (or frames), K permutations, H x W pixels,
          S tile side, D encoder width
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls.simclr import greyscale, note, sometimes
from reference_impls.vit import ViT, patch_tokens


@dataclass(frozen=True)
class Config:
    """The paper's puzzle and head, and the ViT that `build` makes."""

    grid: int = 3                 # n = 9 tiles
    tile: int = 64                # S, cut out of cells of 74 pixels
    permutations: int = 1000      # K
    channel_shift: int = 2        # pixels, either way
    grey: float = 0.3             # probability
    fc6: int = 512                # of each tile; the port has 1024
    fc7: int = 4096               # of all nine
    dropout: float = 0.5          # behind fc6 and fc7
    lr: float = 0.01              # SGD
    batch: int = 256
    img_size: int = 224           # the paper's 225 is no multiple of a patch
    patch_size: int = 16
    width: int = 384
    depth: int = 12
    heads: int = 6


TINY = Config(
    tile=16, permutations=24, channel_shift=1, fc6=64, fc7=128, dropout=0.0, batch=32,
    img_size=64, patch_size=8, width=192, depth=6, heads=6,
)


# Which permutations (Sec. 3.3, Algorithm 1)


def all_permutations(n: int) -> Tensor:
    """(n!, n) long, in lexicographic order; row k is the permutation of index k.

    Those that start with f are f and all orders of the rest, themselves in order.
    """
    if n == 0:
        return torch.zeros(1, 0, dtype=torch.long)
    rest = all_permutations(n - 1).expand(n, -1, -1)        # (n, (n - 1)!, n - 1)
    first = torch.arange(n).view(n, 1, 1)
    rest = rest + (rest >= first)                           # skips the value f
    return torch.cat([first.expand(-1, rest.shape[1], 1), rest], 2).flatten(0, 1)


@functools.cache
def select_permutations(n_tiles: int, n_perms: int, first_index: int = 0) -> Tensor:
    """K permutations far from each other: greedily the largest mean Hamming distance.

    Returns (K, n) long. 1000 of 9! take seconds, once; the answer is kept.
    """
    count = math.factorial(n_tiles)
    if not (0 < n_perms <= count and 0 <= first_index < count):
        raise ValueError(
            f"{n_perms} permutations of {n_tiles} tiles from number {first_index}; "
            f"there are {count}, counted from 0"
        )
    candidates = all_permutations(n_tiles)                  # (n!, n)
    columns = np.ascontiguousarray(candidates.T.numpy().astype(np.uint8))  # (n, n!)
    total = np.zeros(count)
    chosen = [first_index]
    while len(chosen) < n_perms:
        newest = columns[:, chosen[-1], None]               # (n, 1)
        differ = (columns != newest).sum(axis=0, dtype=np.uint8)
        total += differ / n_tiles                           # (n!,)  -- Hamming distance
        total[chosen[-1]] = -np.inf                         # no longer a candidate
        chosen.append(int((total / len(chosen)).argmax()))  # -- greedy
    return candidates[chosen]


def hamming_distances(permutations: Tensor) -> Tensor:
    """Share of places in which two permutations differ, (K, n) to (K, K)."""
    return (permutations[:, None] != permutations).double().mean(dim=2)


# Orders of frames: the same game on video


def frame_order_targets(perm_ids: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """What order networks answer about n frames, for permutations by index. (B,) each.

    The class among n!; the class among n!/2, where an order and its reverse are one,
    counted as they first appear; and 1 where the frames are in order, either way round.
    """
    if n < 2:
        raise ValueError(f"n={n}; an order takes two frames or more")
    orders = all_permutations(n).to(perm_ids.device)        # (n!, n)
    places = n ** torch.arange(n - 1, -1, -1, device=orders.device)
    number = (orders * places).sum(dim=1)                   # (n!,)  ascends
    backwards = (orders.flip(1) * places).sum(dim=1)        # (n!,)
    reverse = torch.searchsorted(number, backwards)         # (n!,)  an index
    index = torch.arange(len(orders), device=orders.device)
    appears = (index <= reverse).cumsum(dim=0) - 1          # (n!,)
    pair = appears[torch.minimum(index, reverse)][perm_ids]  # (B,)  -- n!/2 classes
    return perm_ids, pair, (pair == 0).long()               # -- in order


def shuffle_frames(clips: Tensor, perm_ids: Tensor, n: int) -> Tensor:
    """n equal stretches of each clip, frames if n = T, in the order of its class.

    clips: (B, C, T, H, W). Returns (B, n, C, T / n, H, W): stretch i is
    all_permutations(n)[perm_id][i] of the clip.
    """
    T = clips.shape[2]
    if T % n:
        raise ValueError(f"{T} frames make no {n} equal stretches; cut the clip")
    stretches = clips.unflatten(2, (n, T // n)).movedim(2, 1)  # (B, n, C, T / n, H, W)
    order = all_permutations(n).to(clips.device)[perm_ids]  # (B, n)
    return stretches[torch.arange(len(clips), device=clips.device)[:, None], order]


# The tiles (Sec. 4.2): nothing low-level may tell where a tile was


def draw_integers(
    generator: Generator, below: int, shape: tuple[int, ...], like: Tensor
) -> Tensor:
    """Uniform whole numbers from 0, on the device of `like`."""
    numbers = torch.randint(below, shape, generator=generator, device=generator.device)
    return numbers.to(like.device)


def cut_tiles(images: Tensor, config: Config, generator: Generator) -> Tensor:
    """A window of each cell at a place of its own, each colour channel a little aside.

    images: (B, 3, H, W). Returns (B, n, 3, S, S), cells row by row.
    """
    B, C, H, W = images.shape
    grid, tile = config.grid, config.tile
    h, w = H // grid, W // grid
    if tile > min(h, w):
        raise ValueError(
            f"tiles of {tile} pixels out of cells of {h} x {w}; make the tile smaller "
            "or the image larger"
        )
    cells = torch.arange(grid, device=images.device)
    places = []
    for side in (h, w):
        slack, most = side - tile, config.channel_shift
        start = draw_integers(generator, slack + 1, (B, grid, grid, 1), images)
        shift = draw_integers(generator, 2 * most + 1, (B, grid, grid, C), images)
        start = start + shift - most                        # -- channel shift
        places.append(start.clamp(0, slack))                # (B, grid, grid, 3)  -- gap
    y = places[0] + h * cells.view(grid, 1, 1)
    x = places[1] + w * cells.view(1, grid, 1)
    y, x = (p.flatten(1, 2)[..., None] for p in (y, x))     # (B, n, 3, 1)
    note(generator, "tiles", (x[..., C // 2, 0], y[..., C // 2, 0], tile))
    pixels = torch.arange(tile, device=images.device)
    b = torch.arange(B, device=images.device).view(B, 1, 1, 1, 1)
    c = torch.arange(C, device=images.device).view(1, 1, C, 1, 1)
    return images[b, c, (y + pixels)[..., None], (x + pixels)[..., None, :]]


def normalize_tiles(tiles: Tensor, eps: float = 1e-6) -> Tensor:
    """Every tile by its own mean and deviation. (..., 3, S, S), the same back."""
    mean = tiles.mean(dim=(-3, -2, -1), keepdim=True)
    std = tiles.std(dim=(-3, -2, -1), keepdim=True)
    return (tiles - mean) / (std + eps)                     # -- tile statistics


def views(
    images: Tensor, generator: Generator, *, config: Config = TINY
) -> tuple[Tensor, Tensor]:
    """Shuffled tiles and the permutation's class.

    images: (B, 3, H, W) in [0, 1]. Returns (B, n, 3, S, S), each tile normalised by
    itself, and (B,) long, rows of the set of K.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(
            f"images of shape {tuple(images.shape)}; views takes (B, 3, H, W) in [0, 1]"
        )
    images = sometimes(images, config.grey, generator, greyscale)
    tiles = normalize_tiles(cut_tiles(images, config, generator))
    B, n = tiles.shape[:2]
    chosen = select_permutations(n, config.permutations).to(images.device)
    targets = draw_integers(generator, len(chosen), (B,), images)  # (B,)
    note(generator, "order", chosen[targets])
    b = torch.arange(B, device=images.device)[:, None]
    return tiles[b, chosen[targets]], targets               # -- shuffled


# The network (Sec. 3.2) and its training


class ContextFreeNetwork(nn.Module):
    """One encoder on each tile alone; where the tiles belong is decided behind it.

    encoder: any module from tiles (B, 3, S, S) to (B, width).
    """

    def __init__(
        self,
        encoder: nn.Module,
        width: int,
        classes: int = 1000,
        tiles: int = 9,
        fc6: int = 512,
        fc7: int = 4096,
        dropout: float = 0.5,
    ):
        super().__init__()
        self.encoder, self.tiles = encoder, tiles
        self.fc6 = nn.Sequential(nn.Linear(width, fc6), nn.ReLU(), nn.Dropout(dropout))
        self.fc7 = nn.Sequential(
            nn.Linear(tiles * fc6, fc7), nn.ReLU(), nn.Dropout(dropout)
        )
        self.classifier = nn.Linear(fc7, classes)

    def forward(self, tiles: Tensor) -> Tensor:
        """(B, n, 3, S, S) to logits of the permutation, (B, K)."""
        if tiles.ndim != 5 or tiles.shape[1] != self.tiles:
            raise ValueError(
                f"tiles of shape {tuple(tiles.shape)}; the network takes (B, "
                f"{self.tiles}, 3, S, S)"
            )
        each = self.fc6(self.encoder(tiles.flatten(0, 1)))  # (Bn, fc6)  -- context-free
        return self.classifier(self.fc7(each.view(len(tiles), -1)))  # (B, K)  -- concat


def jigsaw_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of the permutation among K. (B, K) and (B,) to a scalar."""
    if targets.shape != logits.shape[:1]:
        raise ValueError(
            f"targets {tuple(targets.shape)} for logits {tuple(logits.shape)}; give "
            "one class per image"
        )
    return F.cross_entropy(logits, targets)                 # ()  -- K-way


def build(config: Config = TINY) -> ContextFreeNetwork:
    """The network around a ViT that sees one tile at a time."""
    encoder = ViT(
        config.img_size, config.patch_size, config.width, config.depth, config.heads
    )
    return ContextFreeNetwork(
        encoder, config.width, config.permutations, config.grid**2, config.fc6,
        config.fc7, config.dropout,
    )


def training_step(
    model: ContextFreeNetwork, batch: tuple[Tensor, Tensor], step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss, and what to watch: `accuracy` is 1/K by chance."""
    tiles, targets = batch
    logits = model(tiles)
    loss = jigsaw_loss(logits, targets)
    right = (logits.argmax(dim=1) == targets).float().mean()
    return loss, {"loss": loss.item(), "accuracy": right.item()}


def features(model: ContextFreeNetwork, images: Tensor) -> Tensor:
    """Patch tokens of whole images, (B, N, D): the encoder without the puzzle."""
    return patch_tokens(model.encoder, images)
