"""VTHCL: one clip played slowly and fast, told apart from all others at every level.

Paper:    Yang, Xu, Dai & Zhou, "Video Representation Learning with Visual Tempo
          Consistency", 2020, arXiv 2006.15489
Differs:  1. positives are the other encoder's present output, not its row in the bank
             (unverified which the paper takes); both encoders learn from both terms
          2. all queries of a batch share one draw of negatives
          3. rows of the banks are moving averages with weight 0.5, as in instance
             discrimination (Wu et al., 2018), and start at random (unverified)
          4. `build` takes 3-D ResNet-18s: a Slow layout, and a thinner Fast one
Checked:  no official code. `vthcl_loss` against two independent computations, 1e-5

Shapes:   B clips, L levels, D embedding, N rows of a bank, K of them as negatives
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls.cubic_puzzles import MEAN, STD, ResNet3d, Stem

SLOW_STEM = Stem(kernel=(1, 7, 7), stride=(1, 2, 2), pool=(1, 2, 2))
FAST_STEM = Stem(kernel=(5, 7, 7), stride=(1, 2, 2), pool=(1, 2, 2))


@dataclass(frozen=True)
class Config:
    """A slow and a fast view of 64 frames of Kinetics-400."""

    frames: int = 64               # of the stretch both views are taken from
    slow_stride: int = 8           # 8 frames (unverified)
    fast_stride: int = 2           # 32 frames (unverified)
    img_size: int = 224
    instances: int = 240_000       # N, about the training set
    negatives: int = 16384         # K (unverified)
    dim: int = 128                 # D (unverified)
    temperature: float = 0.07      # (unverified)
    momentum: float = 0.5          # of a row in the banks (unverified)
    level_weights: tuple[float, ...] = (1.0, 1.0)  # the last L stages (unverified)
    widths: tuple[int, ...] = (64, 128, 256, 512)
    fast_widths: tuple[int, ...] = (8, 16, 32, 64)
    depths: tuple[int, ...] = (2, 2, 2, 2)
    slow_temporal: tuple[int, ...] = (1, 1, 3, 3)
    fast_temporal: tuple[int, ...] = (3, 3, 3, 3)
    slow_stem: Stem = SLOW_STEM
    fast_stem: Stem = FAST_STEM


TINY = Config(
    frames=16, slow_stride=4, fast_stride=2, img_size=32, instances=64, negatives=32,
    dim=32, widths=(16, 32, 64), fast_widths=(8, 16, 32), depths=(1, 1, 1),
    slow_temporal=(1, 1, 3), fast_temporal=(3, 3, 3),
    slow_stem=Stem(kernel=(1, 3, 3), stride=(1, 2, 2), pool=(1, 1, 1)),
    fast_stem=Stem(kernel=(3, 3, 3), stride=(1, 2, 2), pool=(1, 1, 1)),
)


# Two tempi of one clip (Sec. 3.1)


class Batch(NamedTuple):
    slow: Tensor       # (B, 3, frames / slow_stride, S, S), normalised
    fast: Tensor       # (B, 3, frames / fast_stride, S, S)
    rows: Tensor       # (B,) long: which instances these are
    negatives: Tensor  # (K,) long: which others are compared with


def negative_rows(
    index: Tensor, instances: int, negatives: int, generator: Generator
) -> Tensor:
    """Distinct random rows of the banks, none of them of this batch. (K,) long."""
    others = torch.ones(instances, device=generator.device)
    others[index.to(generator.device)] = 0
    left = int(others.sum())
    if negatives > left:
        raise ValueError(
            f"{negatives} negatives of {instances} instances, {left} of them outside "
            "the batch; ask for fewer or give more data"
        )
    rows = torch.multinomial(others, negatives, generator=generator)  # -- others
    return rows.to(index.device)


def clip_views(
    clips: Tensor,
    generator: Generator,
    index: Tensor | None = None,
    config: Config = TINY,
) -> Batch:
    """One stretch of each clip at two frame rates, cropped and mirrored alike.

    clips: (B, 3, T, H, W) in [0, 1]. index: (B,), each clip's row in the data set.
    """
    given, S = clips.shape[2:], config.img_size
    sizes = (config.frames, S, S)
    if any(g < size for g, size in zip(given, sizes, strict=True)):
        raise ValueError(
            f"clips of {given[0]} frames, {given[1]}x{given[2]}; give at least "
            f"{config.frames} frames of {S}x{S}"
        )
    if index is None:
        index = torch.arange(len(clips), device=clips.device)
    out = []
    for clip in clips:                                     # (3, T, H, W)
        *place, mirror = torch.rand(4, generator=generator, device=generator.device)
        for dim, (size, u) in enumerate(zip(sizes, place, strict=True), start=1):
            clip = clip.narrow(dim, int(u * (clip.shape[dim] - size + 1)), size)
        out.append(clip.flip(-1) if mirror < 0.5 else clip)
    x = (torch.stack(out) - MEAN) / STD                    # (B, 3, frames, S, S)
    slow = x[:, :, :: config.slow_stride]                  # -- slow
    fast = x[:, :, :: config.fast_stride]                  # -- fast
    others = negative_rows(index, config.instances, config.negatives, generator)
    return Batch(slow, fast, index, others)


# The loss (Sec. 3.2)

Levels = Sequence[Tensor] | Tensor  # a list of L, or stacked along the first dimension


def info_nce(query: Tensor, positive: Tensor, bank: Tensor, T: float) -> Tensor:
    """Tell one's own positive from the bank. (B, D) twice and (K, D), to a scalar."""
    right = (query * positive).sum(dim=1) / T              # (B,)  -- positive
    wrong = (query / T @ bank.T).logsumexp(dim=1)          # (B,)  -- negatives
    return F.softplus(wrong - right).mean()                # ()  -- NCE


def per_level(
    fast: Levels,
    slow: Levels,
    bank_slow: Levels,
    bank_fast: Levels,
    T: float = 0.07,
) -> Tensor:
    """Both directions at each level, (L,): fast among the slow, slow among the fast."""
    if not len(fast) == len(slow) == len(bank_slow) == len(bank_fast):
        raise ValueError(
            f"{len(fast)} fast and {len(slow)} slow levels, {len(bank_slow)} and "
            f"{len(bank_fast)} banks; each level has one of each"
        )
    if T <= 0:
        raise ValueError(f"temperature {T} must be above 0")
    losses = []
    # Cosines divided by a small temperature do not survive half precision.
    with torch.autocast(fast[0].device.type, enabled=False):
        for f, s, rows_slow, rows_fast in zip(
            fast, slow, bank_slow, bank_fast, strict=True
        ):
            f, s = unit(f), unit(s)                        # (B, D)
            losses.append(
                info_nce(f, s, rows_slow.to(f), T)         # -- fast to slow
                + info_nce(s, f, rows_fast.to(s), T)       # -- slow to fast
            )
    return torch.stack(losses)                             # (L,)


def unit(z: Tensor) -> Tensor:
    """Rows of unit length, in single precision or better."""
    return F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=1)


def vthcl_loss(
    fast: Levels,
    slow: Levels,
    bank_slow: Levels,
    bank_fast: Levels,
    T: float = 0.07,
    level_weights: Sequence[float] | Tensor | None = None,
) -> Tensor:
    """Visual tempo consistency, summed over levels.

    fast, slow: L times (B, D), row i of both from one clip. The banks: L times (K, D),
    unit rows of other clips. level_weights: L numbers; 1 each if left out.
    """
    losses = per_level(fast, slow, bank_slow, bank_fast, T)  # (L,)
    if level_weights is None:
        return losses.sum()
    weights = torch.as_tensor(level_weights, dtype=losses.dtype, device=losses.device)
    if weights.shape != losses.shape:
        raise ValueError(
            f"{weights.numel()} weights for {len(losses)} levels; give one per level"
        )
    return (weights * losses).sum()                        # ()  -- levels


# Two encoders and their banks (Sec. 3.2)


class Pathway(nn.Module):
    """An encoder, and a projection of each of its last L stages."""

    def __init__(self, encoder: ResNet3d, widths: Sequence[int], dim: int):
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleList(nn.Linear(width, dim) for width in widths)

    def forward(self, clips: Tensor) -> list[Tensor]:
        """(B, 3, T, H, W) to L embeddings (B, D), of unit length."""
        maps = self.encoder.stages(clips)[-len(self.heads) :]
        pooled = [m.mean(dim=(2, 3, 4)) for m in maps]     # (B, width)
        return [unit(h(p)) for h, p in zip(self.heads, pooled, strict=True)]  # -- unit


class VTHCL(nn.Module):
    """A slow and a fast pathway that share no weights, and a bank for each.

    Banks are (L, N, D): row i holds what a pathway made of instance i.
    """

    bank_slow: Tensor
    bank_fast: Tensor

    def __init__(self, slow: Pathway, fast: Pathway, config: Config):
        super().__init__()
        self.config, self.slow, self.fast = config, slow, fast
        L, N, D = len(config.level_weights), config.instances, config.dim
        for name in ("bank_slow", "bank_fast"):
            bank = F.normalize(torch.randn(L, N, D), dim=2)
            self.register_buffer(name, bank)

    @property
    def encoder(self) -> nn.Module:
        """What is kept after training: the slow pathway's."""
        return self.slow.encoder

    def forward(self, batch: Batch) -> tuple[list[Tensor], list[Tensor]]:
        """Embeddings of the fast and of the slow view, L times (B, D) each."""
        return self.fast(batch.fast), self.slow(batch.slow)


@torch.no_grad()
def update_bank(
    bank: Tensor, index: Tensor, z: Sequence[Tensor], momentum: float
) -> None:
    """Move rows `index` of every level towards z, L times (B, D), in place."""
    fresh = torch.stack(list(z)).to(bank)                  # (L, B, D)
    mixed = momentum * bank[:, index] + (1 - momentum) * fresh  # -- moving average
    bank[:, index] = F.normalize(mixed, dim=2)             # -- unit length again


# Training


def build(config: Config = TINY) -> VTHCL:
    """A Slow network, 2-D at first, and a thin Fast one, 3-D throughout."""
    strides = ((1, 1), (1, 2), (1, 2), (1, 2))
    L = len(config.level_weights)
    pathways = []
    for widths, temporal, stem in (
        (config.widths, config.slow_temporal, config.slow_stem),
        (config.fast_widths, config.fast_temporal, config.fast_stem),
    ):
        encoder = ResNet3d(
            widths, config.depths, temporal=temporal, strides=strides, stem=stem
        )
        pathways.append(Pathway(encoder, widths[-L:], config.dim))
    slow, fast = pathways
    return VTHCL(slow, fast, config)


def training_step(
    model: VTHCL, batch: Batch, step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss; the banks move behind it.

    Watched: each level's loss, and `agree`, the mean cosine of the two tempi at the
    last level.
    """
    c = model.config
    fast, slow = model(batch)
    others_slow, others_fast = (
        bank[:, batch.negatives] for bank in (model.bank_slow, model.bank_fast)
    )                                                      # (L, K, D)
    losses = per_level(fast, slow, others_slow, others_fast, c.temperature)
    loss = (losses.new_tensor(c.level_weights) * losses).sum()
    update_bank(model.bank_slow, batch.rows, slow, c.momentum)  # -- after the loss
    update_bank(model.bank_fast, batch.rows, fast, c.momentum)
    with torch.no_grad():
        agree = (fast[-1] * slow[-1]).sum(dim=1).mean().item()
    levels = {f"level{i}": value for i, value in enumerate(losses.tolist())}
    return loss, {"loss": loss.item(), "agree": agree, **levels}
