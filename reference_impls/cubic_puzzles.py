"""Space-time cubic puzzles: cut a clip into four cells, shuffle, name the order.

Paper:    Kim, Cho & Kweon, "Self-Supervised Video Representation Learning with
          Space-Time Cubic Puzzles", AAAI 2019, arXiv 1811.09795
Differs:  1. the paper does not number its 24 orders; here they are lexicographic
          2. each clip's puzzle is spatial or temporal by a fair coin, one classifier
             answers both, and the rotation's loss has weight 1 (unverified)
          3. a piece keeps one share of its cell's three sides, so that any clip will do
          4. a rotated clip is turned by 180 degrees before it is cut (unverified)
          5. `ResNet3d` has projections as shortcuts, and a stem for small clips
Checked:  no official code. `cubic_puzzle` against two independent computations, 1e-5

Shapes:   B clips, C channels, T frames, H x W pixels, t x h x w of a cell or map,
          D the encoder's width
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls.jigsaw import draw_integers

Mode = Literal["spatial", "temporal"]

MEAN, STD = 0.45, 0.225  # of video pixels, one for all channels
SHARE = 5 / 7            # of a cell's side in a piece: 80 of 112 pixels (unverified)

# Row k is the order whose class is k; (24, 4)
PERMUTATIONS = torch.tensor(list(itertools.permutations(range(4))))


@dataclass(frozen=True)
class Config:
    """A 3-D ResNet-18 and the head on its four pieces."""

    widths: tuple[int, ...] = (64, 128, 256, 512)
    depths: tuple[int, ...] = (2, 2, 2, 2)
    hidden: int = 512       # of the head (unverified)
    frames: int = 128       # of the clip that is cut (unverified)
    img_size: int = 224     # cells of 112 pixels (unverified)
    small_stem: bool = False


TINY = Config(
    widths=(16, 32, 64), depths=(1, 1, 1), hidden=64, frames=16, img_size=32,
    small_stem=True,
)


# The encoder: a 3-D residual network, one for all pieces (Sec. 3)


@dataclass(frozen=True)
class Stem:
    """The first convolution and the max pool behind it; each triple is (t, h, w)."""

    kernel: tuple[int, int, int] = (7, 7, 7)
    stride: tuple[int, int, int] = (1, 2, 2)
    pool: tuple[int, int, int] = (2, 2, 2)   # stride; (1, 1, 1) is no pool


SMALL_STEM = Stem(kernel=(3, 3, 3), pool=(1, 1, 1))  # for clips of 32 pixels


class BasicBlock(nn.Module):
    """Two convolutions of t x 3 x 3, each with batch norm, and a shortcut.

    A projection replaces the shortcut where the shape changes.
    """

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: tuple[int, int] = (1, 1),
        temporal: int = 3,
        final_relu: bool = True,
        track_running_stats: bool = True,
    ):
        super().__init__()
        t, s = stride
        kernel, padding = (temporal, 3, 3), (temporal // 2, 1, 1)
        self.conv1 = nn.Conv3d(inplanes, planes, kernel, (t, s, s), padding, bias=False)
        self.bn1 = nn.BatchNorm3d(planes, track_running_stats=track_running_stats)
        self.conv2 = nn.Conv3d(planes, planes, kernel, 1, padding, bias=False)
        self.bn2 = nn.BatchNorm3d(planes, track_running_stats=track_running_stats)
        self.downsample = nn.Sequential()
        if stride != (1, 1) or inplanes != planes:
            self.downsample = nn.Sequential(
                nn.Conv3d(inplanes, planes, 1, (t, s, s), bias=False),
                nn.BatchNorm3d(planes, track_running_stats=track_running_stats),
            )
        self.final_relu = final_relu

    def forward(self, x: Tensor) -> Tensor:
        """(B, inplanes, T, H, W) to (B, planes, T / t, H / s, W / s)."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y)) + self.downsample(x)  # -- shortcut
        return F.relu(y) if self.final_relu else y


class ResNet3d(nn.Module):
    """3-D ResNet-18 (Hara et al., "Learning Spatio-Temporal Features with 3D Residual
    Networks for Action Recognition", ICCVW 2017, arXiv 1708.07632).

    widths, depths: channels and blocks of each stage. temporal: kernel size in time of
    each stage; 1 makes its convolutions 2-D. strides: (time, space) of each stage.
    final_relu: whether the last block ends in one. track_running_stats: False
    normalises by the batch in evaluation too.
    """

    def __init__(
        self,
        widths: Sequence[int] = (64, 128, 256, 512),
        depths: Sequence[int] = (2, 2, 2, 2),
        in_chans: int = 3,
        temporal: Sequence[int] = (3, 3, 3, 3),
        strides: Sequence[tuple[int, int]] = ((1, 1), (2, 2), (2, 2), (2, 2)),
        stem: Stem = Stem(),
        final_relu: bool = True,
        track_running_stats: bool = True,
    ):
        super().__init__()
        if not len(widths) == len(depths) == len(temporal) <= len(strides):
            raise ValueError(
                f"{len(widths)} widths, {len(depths)} depths, {len(temporal)} temporal "
                f"kernels and {len(strides)} strides; give one of each per stage"
            )
        self.width = widths[-1]
        t, h, w = stem.kernel
        self.conv1 = nn.Conv3d(
            in_chans, widths[0], stem.kernel, stem.stride, (t // 2, h // 2, w // 2),
            bias=False,
        )
        self.bn1 = nn.BatchNorm3d(widths[0], track_running_stats=track_running_stats)
        t, h, w = stem.pool
        self.maxpool = nn.MaxPool3d(
            (2 * t - 1, 2 * h - 1, 2 * w - 1), stem.pool, (t - 1, h - 1, w - 1)
        )
        self.layers = nn.ModuleList()
        inplanes = widths[0]
        for i, (planes, depth) in enumerate(zip(widths, depths, strict=True)):
            blocks = nn.Sequential()
            for j in range(depth):
                last = i == len(widths) - 1 and j == depth - 1
                blocks.append(BasicBlock(
                    inplanes, planes, strides[i] if j == 0 else (1, 1), temporal[i],
                    final_relu or not last, track_running_stats,
                ))
                inplanes = planes
            self.layers.append(blocks)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def stages(self, x: Tensor) -> list[Tensor]:
        """(B, C, T, H, W) to the maps behind each stage."""
        if x.ndim != 5:
            raise ValueError(f"clips of shape {tuple(x.shape)}; give (B, C, T, H, W)")
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        maps = []
        for layer in self.layers:
            x = layer(x)
            maps.append(x)
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) to the last stage's maps, (B, width, t, h, w)."""
        return self.stages(x)[-1]


# The puzzle (Sec. 3)


def cubic_puzzle(clip: Tensor, perm_ids: Tensor, mode: Mode = "spatial") -> Tensor:
    """Four cells of each clip in the order of its class.

    clip: (B, C, T, H, W). perm_ids: (B,) long, rows of PERMUTATIONS. Cells are the
    quadrants row by row ("spatial") or the quarters in time ("temporal"). Returns
    (B, 4, C, t, h, w): piece i is cell PERMUTATIONS[perm_id][i].
    """
    if mode not in ("spatial", "temporal"):
        raise ValueError(f"mode {mode!r}; a puzzle is 'spatial' or 'temporal'")
    B, _, T, H, W = clip.shape
    if (mode == "spatial" and (H % 2 or W % 2)) or (mode == "temporal" and T % 4):
        raise ValueError(
            f"a clip of {T} x {H} x {W} has no four equal {mode} cells; cut it to even "
            "sides, or to a multiple of four frames"
        )
    if mode == "temporal":
        cells = clip.unflatten(2, (4, T // 4)).movedim(2, 1)  # (B, 4, C, t, H, W)
    else:
        grid = clip.unflatten(4, (2, W // 2)).unflatten(3, (2, H // 2))
        cells = grid.permute(0, 3, 5, 1, 2, 4, 6).flatten(1, 2)  # (B, 4, C, T, h, w)
    order = PERMUTATIONS.to(clip.device)[perm_ids]          # (B, 4)  -- permutation
    return cells[torch.arange(B, device=clip.device)[:, None], order]


# Against shortcuts (Sec. 3): edges that meet, colour fringes, equal distances


def replicate_channel(clip: Tensor, channel: Tensor) -> Tensor:
    """One colour channel of each clip in all of them: no chromatic aberration left.

    clip: (B, C, T, H, W). channel: (B,) long. Returns the clip's shape.
    """
    b = torch.arange(len(clip), device=clip.device)
    return clip[b, channel, None].expand_as(clip)           # -- channel replication


def jitter(cells: Tensor, size: tuple[int, int, int], generator: Generator) -> Tensor:
    """A window of each cell at a place of its own: pieces have gaps of random width.

    cells: (B, 4, C, t, h, w). Returns (B, 4, C, *size).
    """
    B, N = cells.shape[:2]
    if any(s > side for s, side in zip(size, cells.shape[3:], strict=True)):
        raise ValueError(
            f"windows of {size} out of cells of {tuple(cells.shape[3:])}; make them "
            "smaller"
        )
    index: list[Tensor] = []
    for axis, (s, side) in enumerate(zip(size, cells.shape[3:], strict=True)):
        start = draw_integers(generator, side - s + 1, (B, N), cells)  # -- jitter
        places = start[..., None] + torch.arange(s, device=cells.device)  # (B, 4, s)
        index.append(places.view(B, N, *(s if i == axis else 1 for i in range(3))))
    b = torch.arange(B, device=cells.device).view(B, 1, 1, 1, 1)
    n = torch.arange(N, device=cells.device).view(1, N, 1, 1, 1)
    t, y, x = index
    return cells[b, n, :, t, y, x].movedim(-1, 2)           # (B, 4, C, *size)


def cells(clip: Tensor, perm_ids: Tensor, fixed: Tensor, mode: Mode) -> Tensor:
    """Four of the clip's 2 x 2 x 4 cells: one line of them, in the order of its class.

    fixed: (B,) long. Which quarter in time a spatial puzzle is cut from, which quadrant
    a temporal one. Both return (B, 4, C, t, h, w).
    """
    other: Mode = "temporal" if mode == "spatial" else "spatial"
    slabs = cubic_puzzle(clip, torch.zeros_like(perm_ids), other)  # in their own order
    b = torch.arange(len(clip), device=clip.device)
    return cubic_puzzle(slabs[b, fixed], perm_ids, mode)    # (B, 4, C, t, h, w)


class Puzzle(NamedTuple):
    """A batch as `training_step` takes it."""

    pieces: Tensor    # (B, 4, C, t, h, w), normalised
    perm_ids: Tensor  # (B,) long: the order's class
    rotated: Tensor   # (B,) long: 1 where the clip stood upside down


def clip_views(clips: Tensor, generator: Generator) -> Puzzle:
    """Clips to puzzles, each spatial or temporal with an order of its own.

    clips: (B, C, T, H, W) in [0, 1]. Frames and pixels beyond a whole cell are left.
    """
    if clips.ndim != 5 or clips.shape[2] < 4:
        raise ValueError(
            f"clips of shape {tuple(clips.shape)}; a puzzle takes (B, C, T, H, W) with "
            "four frames or more"
        )
    B, C, T, H, W = clips.shape
    t, h, w = T // 4, H // 2, W // 2
    clips = clips[:, :, : 4 * t, : 2 * h, : 2 * w]
    below = (C, 2, 24, 4, 2)
    channel, rotated, perm_ids, fixed, temporal = (
        draw_integers(generator, n, (B,), clips) for n in below
    )
    clips = replicate_channel(clips, channel)
    upside_down = (rotated == 1).view(B, 1, 1, 1, 1)
    clips = torch.where(upside_down, clips.flip(3, 4), clips)  # -- rotation
    pieces = torch.where(
        (temporal == 1).view(B, 1, 1, 1, 1, 1),
        cells(clips, perm_ids, fixed, "temporal"),
        cells(clips, perm_ids, fixed, "spatial"),
    )                                                       # (B, 4, C, t, h, w)
    size = (max(1, round(SHARE * t)), round(SHARE * h), round(SHARE * w))
    pieces = jitter(pieces, size, generator)
    return Puzzle((pieces - MEAN) / STD, perm_ids, rotated)  # -- normalised


# The network that solves it (Sec. 3): one encoder for all pieces, late fusion


class CubicPuzzles(nn.Module):
    """The encoder on each piece alone; what it saw meets in the head, and only there.

    encoder: any module from clips to maps (B, width, t, h, w).
    """

    def __init__(self, encoder: nn.Module, width: int, hidden: int = 512):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Sequential(nn.Linear(4 * width, hidden), nn.ReLU())
        self.order = nn.Linear(hidden, len(PERMUTATIONS))
        self.rotation = nn.Linear(hidden, 2)

    def forward(self, pieces: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 4, C, t, h, w) to logits of the order, (B, 24), and rotation, (B, 2)."""
        B, N = pieces.shape[:2]
        if N != 4:
            raise ValueError(
                f"pieces of shape {tuple(pieces.shape)}; a puzzle has four: "
                "(B, 4, C, t, h, w)"
            )
        maps = self.encoder(pieces.flatten(0, 1))           # (4B, D, t', h', w')
        each = maps.mean(dim=(2, 3, 4))                     # (4B, D)  -- shared encoder
        together = self.head(each.view(B, -1))              # (B, hidden)  -- concat
        return self.order(together), self.rotation(together)


def puzzle_loss(
    order: Tensor, rotation: Tensor, perm_ids: Tensor, rotated: Tensor
) -> Tensor:
    """Cross-entropy of the order among 24 and of the rotation between two."""
    ordered = F.cross_entropy(order, perm_ids)              # ()  -- 24-way
    return ordered + F.cross_entropy(rotation, rotated)     # ()  -- with rotation


def build(config: Config = TINY) -> CubicPuzzles:
    """The model with a 3-D ResNet."""
    stages = len(config.widths)
    encoder = ResNet3d(
        config.widths, config.depths, temporal=(3,) * stages,
        stem=SMALL_STEM if config.small_stem else Stem(),
    )
    return CubicPuzzles(encoder, encoder.width, config.hidden)


def training_step(
    model: CubicPuzzles, batch: Puzzle, step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss, and what to watch: 1/24 of the orders are guessed by chance."""
    order, rotation = model(batch.pieces)
    loss = puzzle_loss(order, rotation, batch.perm_ids, batch.rotated)
    return loss, {
        "loss": loss.item(),
        "accuracy": accuracy(order, batch.perm_ids),
        "rotation_accuracy": accuracy(rotation, batch.rotated),
    }


@torch.no_grad()
def accuracy(logits: Tensor, targets: Tensor) -> float:
    """Share of rows whose largest logit is the target's."""
    return (logits.argmax(dim=1) == targets).float().mean().item()
