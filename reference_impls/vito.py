"""VITO: two moments of one video are the best augmentation for learning from images.

Paper:    Parthasarathy, Eslami, Carreira & Henaff, "Self-supervised video pretraining
          yields robust and more human-aligned visual representations", NeurIPS 2023,
          arXiv 2210.06433. The objective is MoCLR's: Tian, Henaff & van den Oord,
          "Divide and Contrast", ICCV 2021, arXiv 2105.08054
Differs:  1. no official code exists: everything follows the papers
          2. `build` takes a small convolutional network; the paper's is a ResNet-50
             (or a Swin transformer), whose last two stages are pooled
          3. the last bias of an attention map is held still: the softmax takes a
             constant away
          4. negatives come from all processes; batch norm is the process's own
          5. views are BYOL's, as this collection makes them (see `byol`), of crops
             from 0.4 of the frame upwards
Checked:  derived from the papers' equations by two independent computations: masks,
          pooled features and loss to 1e-3, kept videos exactly

Shapes:   B clips, W processes, T frames, H x W pixels, C_s and h_s x w_s channels and
          sides of scale s, D projection width, V videos, K classes
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls import byol
from reference_impls.simclr import (
    contrastive_accuracy,
    draw,
    gather,
    normalize,
    own_rows,
)


@dataclass(frozen=True)
class Config:
    """The paper's recipe, and the network that `build` makes."""

    temperature: float = 0.1       # tau
    hidden: int = 4096             # of projector and predictor (unverified)
    dim: int = 256                 # D (unverified)
    mask_hidden: int = 512         # of an attention map (unverified)
    base_tau: float = 0.996        # of the target's average (unverified)
    batch: int = 4096              # (unverified); LARS, cosine
    max_gap: float = 1.0           # of the clip's time between two frames (2.56 s)
    widths: tuple[int, ...] = (256, 512, 1024, 2048)
    scales: int = 2                # last stages that are pooled
    frames: int = 64               # of a clip (unverified)
    img_size: int = 224


TINY = Config(
    hidden=128, dim=32, mask_hidden=16, base_tau=0.97, batch=4, widths=(16, 32, 64),
    frames=8, img_size=32,
)


# Data: which videos to keep, and two frames of each (Sec. 3.1)


def videonet_keep(
    query_class: Tensor,
    frame_logits: Tensor,
    duration: Tensor,
    min_seconds: float = 10.0,
) -> Tensor:
    """Which videos show what was searched for: VideoNet's filter.

    query_class: (V,) the class searched for; frame_logits: (V, T, K), an ImageNet
    classifier's on frames; duration: (V,) in seconds. Returns (V,), True for a video
    that is long enough and where the class wins on at least one frame.
    """
    V = len(query_class)
    if frame_logits.ndim != 3 or len(frame_logits) != V or len(duration) != V:
        raise ValueError(
            f"{V} queries, logits {tuple(frame_logits.shape)} and {len(duration)} "
            "durations; give (V,), (V, frames, classes) and (V,)"
        )
    winners = frame_logits.argmax(dim=-1)                         # (V, T)
    shown = (winners == query_class[:, None]).any(dim=1)          # (V,)  -- shown
    return shown & (duration >= min_seconds)                      # (V,)  -- kept


def class_histogram(query_class: Tensor, keep: Tensor, classes: int) -> Tensor:
    """Kept videos per class, (K,): to be brought in line with ImageNet's."""
    return query_class[keep].bincount(minlength=classes)          # (K,)


# Larger crops than BYOL's 0.08 (0.4 unverified): time has moved things already.
CROP = (0.4, 1.0)                                                 # -- crop area
T, T_PRIME = replace(byol.T, area=CROP), replace(byol.T_PRIME, area=CROP)


def frame_pair(clips: Tensor, max_gap: float, generator: Generator) -> Tensor:
    """Two frames of each clip, at most `max_gap` of its time apart; either comes first.

    clips: (B, 3, T, H, W). Returns (2, B, 3, H, W).
    """
    B, frames = len(clips), clips.shape[2]
    u = draw(generator, (2, B), clips)
    first = u[0] * frames                                         # (B,)  moments
    low = (first - max_gap * frames).clamp(min=0)
    high = (first + max_gap * frames).clamp(max=frames)
    second = low + (high - low) * u[1]                            # (B,)  -- second
    rows = torch.stack([first, second]).long().clamp(max=frames - 1)  # (2, B)
    return clips.transpose(1, 2)[torch.arange(B), rows]           # (2, B, 3, H, W)


def clip_views(
    clips: Tensor, generator: Generator, config: Config = TINY
) -> tuple[Tensor, Tensor]:
    """Two frames of each clip, each augmented on its own.

    clips: (B, 3, T, H, W) in [0, 1]. Returns two (B, 3, H, H), normalised.
    """
    if clips.ndim != 5 or clips.shape[1] != 3:
        raise ValueError(
            f"clips of shape {tuple(clips.shape)}; give (B, 3, T, H, W) in [0, 1]"
        )
    size = config.img_size
    one, other = frame_pair(clips, config.max_gap, generator)     # -- two frames
    v = byol.augment(one, T, size, generator)                     # (B, 3, H, H)
    v_prime = byol.augment(other, T_PRIME, size, generator)       # (B, 3, H, H)
    return normalize(v), normalize(v_prime)


# The network: look where it matters, at several scales (Sec. 3.3)


class AttentionMap(nn.Module):
    """Where to look: two layers applied to each position alone, then a softmax."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, 1)
        # The softmax takes any constant away: this bias would never learn.
        self.fc2.bias.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """Positions (B, N, C_s) to weights (B, N) that sum to 1."""
        scores = self.fc2(self.fc1(x).relu()).squeeze(-1)         # (B, N)
        return scores.softmax(dim=1)                              # (B, N)  -- mask


class MultiScaleAttentionPool(nn.Module):
    """Each scale's features, averaged by an attention map of its own, side by side.

    dims: channels of each scale. hidden: of the maps' networks.
    """

    def __init__(self, dims: Sequence[int], hidden: int):
        super().__init__()
        self.scales = len(dims)
        for s, dim in enumerate(dims):
            self.add_module(f"att{s}", AttentionMap(dim, hidden))

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Maps (B, C_s, h_s, w_s) to (B, sum of C_s), and the masks (B, h_s, w_s)."""
        if len(maps) != self.scales:
            raise ValueError(f"{len(maps)} maps; this pool was made for {self.scales}")
        pooled, masks = [], []
        for s, feature in enumerate(maps):
            x = feature.flatten(2).transpose(1, 2)                # (B, N, C_s)
            mask = self.get_submodule(f"att{s}")(x)               # (B, N)
            pooled.append((mask[:, None].to(x.dtype) @ x).squeeze(1))  # -- pooled
            masks.append(mask.unflatten(1, feature.shape[2:]))    # (B, h_s, w_s)
        return torch.cat(pooled, dim=1), masks                    # -- all scales


class ConvNet(nn.Module):
    """A small network of stages that halve the sides; its last `scales` maps."""

    def __init__(self, widths: Sequence[int], scales: int):
        super().__init__()
        self.scales, self.dims = scales, tuple(widths[-scales:])
        self.stages = nn.ModuleList()
        ins = 3
        for width in widths:
            self.stages.append(nn.Sequential(
                nn.Conv2d(ins, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width),
                nn.ReLU(),
            ))
            ins = width

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) to maps (B, C_s, h_s, w_s), the finest first."""
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps[-self.scales:]


class Network(nn.Module):
    """Encoder, attention pool and projector g."""

    def __init__(self, encoder: ConvNet, mask_hidden: int, hidden: int, dim: int):
        super().__init__()
        self.encoder = encoder
        self.pool = MultiScaleAttentionPool(encoder.dims, mask_hidden)
        self.projector = byol.mlp(sum(encoder.dims), hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to projections z, (B, D)."""
        pooled, _ = self.pool(self.encoder(x))
        return self.projector(pooled)                             # (B, D)  -- z


class VITO(nn.Module):
    """BYOL's two networks: online with a predictor, and its slow average as target.

    Call `after_step` behind every optimiser step: nothing else moves the target.
    """

    def __init__(self, online: Network, dim: int, hidden: int, config: Config = TINY):
        super().__init__()
        self.config, self.online = config, online
        self.predictor = byol.mlp(dim, hidden, dim)
        self.target = copy.deepcopy(online).requires_grad_(False)

    @property
    def encoder(self) -> nn.Module:
        """What is kept after training."""
        return self.online.encoder

    def forward(self, x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Two views to queries q1, q2 and the target's keys k1, k2, (B, D) each."""
        q1, q2 = (self.predictor(self.online(x)) for x in (x1, x2))  # -- queries
        with torch.no_grad():
            k1, k2 = self.target(x1), self.target(x2)             # (B, D)  -- keys
        return q1, q2, k1, k2


# The loss (Eq. 2)


def moclr_loss(
    q1: Tensor, q2: Tensor, k1: Tensor, k2: Tensor, tau: float = 0.1
) -> Tensor:
    """Each query must find the key of its clip's other frame among the batch's keys.

    Queries q and keys k of views 1 and 2, (B, D) each, not normalised. The mean over
    queries and over both directions; no gradient reaches a key. With several processes
    the keys come from all.
    """
    if not q1.shape == q2.shape == k1.shape == k2.shape or q1.ndim != 2:
        raise ValueError(
            f"queries {tuple(q1.shape)}, {tuple(q2.shape)} and keys {tuple(k1.shape)}, "
            f"{tuple(k2.shape)} differ; all are (B, D)"
        )
    if tau <= 0:
        raise ValueError(f"temperature tau={tau} must be above 0")
    # Cosines divided by a small tau do not survive half precision.
    with torch.autocast(q1.device.type, enabled=False):
        return (info_nce(q1, k2, tau) + info_nce(q2, k1, tau)) / 2  # ()  -- symmetric


def info_nce(q: Tensor, k: Tensor, tau: float) -> Tensor:
    """Row i of q against all keys, row i of this process's being the right one."""
    dtype = torch.promote_types(q.dtype, torch.float32)
    q, k = q.to(dtype), F.normalize(k.detach().to(dtype), dim=1)
    keys = gather(k)                                              # (W B, D)
    scale = tau * q.norm(dim=1, keepdim=True).clamp(min=1e-12)    # (B, 1)
    logits = (q / scale) @ keys.T                                 # (B, W B)  -- cosines
    return F.cross_entropy(logits, own_rows(q))                   # ()  -- InfoNCE


# Training


def build(config: Config = TINY) -> VITO:
    """A whole training model."""
    c = config
    online = Network(ConvNet(c.widths, c.scales), c.mask_hidden, c.hidden, c.dim)
    return VITO(online, c.dim, c.hidden, config)


def training_step(
    model: VITO, batch: tuple[Tensor, Tensor], step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss, and what to watch: `accuracy` is 1/B by chance."""
    q1, q2, k1, k2 = model(*batch)
    loss = moclr_loss(q1, q2, k1, k2, model.config.temperature)
    spread, accuracy = byol.feature_spread(k1), contrastive_accuracy(q1, k2)
    return loss, {"loss": loss.item(), "accuracy": accuracy, "spread": spread}


def after_step(model: VITO, step: int, steps: int) -> None:
    """The target follows the online network, after the optimiser's step."""
    tau = float(byol.cosine_tau(step, steps, model.config.base_tau))
    byol.ema_update(model.target, model.online, tau)              # -- target follows
