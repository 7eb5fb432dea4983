"""Four image methods on video: views of one video, rho clips apart in time, agree.

Paper:    Feichtenhofer, Fan, Xiong, Girshick & He, "A Large-Scale Study on Unsupervised
          Spatiotemporal Representation Learning", CVPR 2021, arXiv 2104.14558
Differs:  1. losses are means over queries and their keys; official training in sequence
             logs half of that mean
          2. the queue starts with random directions, and learning with it; the official
             one fills it first. Keys are encoded without shuffling the batch
          3. `build` takes a 3-D ResNet-18 in the layout of the paper's Slow R50
          4. SimCLR and SwAV average over all pairs of clips; official SimCLR takes two
          5. SwAV's prototypes learn from the first step; officially frozen one epoch
Checked:  facebookresearch/SlowFast@287ec00: each of the four losses, and SwAV's codes,
          to 2e-5

Shapes:   rho clips per video, B videos, D embedding, K queue, N prototypes, T frames
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls.brave import augment_clips
from reference_impls.byol import cosine_tau, ema_update, feature_spread
from reference_impls.cubic_puzzles import MEAN, STD, ResNet3d, Stem
from reference_impls.simclr import Augmentation, draw, gather, nt_xent_loss
from reference_impls.swav import sinkhorn_knopp

Method = Literal["moco", "byol", "simclr", "swav"]

STEM = Stem(kernel=(1, 7, 7), stride=(1, 2, 2), pool=(1, 2, 2))
AUGMENTATION = Augmentation(
    area=(0.2, 0.766), brightness=0.6, contrast=0.6, saturation=0.6, hue=0.15,
)


@dataclass(frozen=True)
class Config:
    """MoCo as in the paper; `BYOL`, `SIMCLR` and `SWAV` below say what they change."""

    method: Method = "moco"
    rho: int = 2                   # clips per video
    clip_frames: int = 8           # T
    stride: int = 8                # of the clip's frames in the video
    frames: int = 300              # of a video: ten seconds
    img_size: int = 224
    temperature: float = 0.1
    momentum: float = 0.994        # of the key encoder; to 1 along a cosine
    queue: int = 65536             # K
    dim: int = 128                 # D
    hidden: int = 2048             # of projector and predictor
    layers: int = 3                # of the projector
    norm: bool = False             # batch norm in projector and predictor
    prototypes: int = 1000         # N
    epsilon: float = 0.05          # Sinkhorn
    iterations: int = 3
    widths: tuple[int, ...] = (64, 128, 256, 512)
    depths: tuple[int, ...] = (2, 2, 2, 2)
    temporal: tuple[int, ...] = (1, 1, 3, 3)  # Slow: time is seen in the late stages
    stem: Stem = STEM
    epochs: int = 200
    warmup_epochs: int = 35
    lr: float = 0.1                # SGD


BYOL = Config(
    method="byol", temperature=0.5, momentum=0.996, dim=256, hidden=4096, layers=2,
    norm=True, lr=0.6,
)
SIMCLR = Config(method="simclr", lr=1.2)
SWAV = Config(method="swav", lr=0.6)
TINY = Config(
    clip_frames=4, stride=2, frames=16, img_size=32, queue=64, dim=32, hidden=64,
    prototypes=16, widths=(16, 32, 64), depths=(1, 1, 1), temporal=(1, 1, 3),
    stem=Stem(kernel=(1, 3, 3), stride=(1, 2, 2), pool=(1, 1, 1)),
)


# Clips (Sec. 3 and appendix)


def sample_clips(video: Tensor, config: Config, generator: Generator) -> list[Tensor]:
    """rho clips from random places in time: (B, 3, F, H, W) to rho (B, 3, T, H, W).

    Persistency over time is the idea: what stays the same from clip to clip is kept.
    """
    B, _, F_, _, _ = video.shape
    span = (config.clip_frames - 1) * config.stride + 1
    if span > F_:
        raise ValueError(
            f"a video of {F_} frames is shorter than a clip's {span}; give longer "
            "videos, fewer frames or a smaller stride"
        )
    steps = torch.arange(config.clip_frames, device=video.device) * config.stride
    row = torch.arange(B, device=video.device)[:, None]
    clips = []
    for _ in range(config.rho):
        start = (draw(generator, (B,), video) * (F_ - span + 1)).long()  # -- start
        frames = start[:, None] + steps                    # (B, T)
        clips.append(video.transpose(1, 2)[row, frames].transpose(1, 2))
    return clips


def clip_views(
    clips: Tensor, generator: Generator, config: Config = TINY
) -> list[Tensor]:
    """rho augmented clips per video: (B, 3, F, H, W) in [0, 1] to (B, 3, T, S, S)."""
    return [
        (augment_clips(clip, AUGMENTATION, config.img_size, generator) - MEAN) / STD
        for clip in sample_clips(clips, config, generator)
    ]


# Four losses on rho clips (Sec. 3)


def unit_rows(clips: Sequence[Tensor]) -> Tensor:
    """rho embeddings (B, D) to one tensor of unit vectors, (rho, B, D)."""
    z = torch.stack(list(clips))
    return F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=-1)


def check_clips(queries: Sequence[Tensor], keys: Sequence[Tensor], T: float) -> None:
    if len(queries) < 2 or len(queries) != len(keys):
        raise ValueError(
            f"{len(queries)} queries and {len(keys)} keys; two clips or more have "
            "one of each"
        )
    if T <= 0:
        raise ValueError(f"temperature {T} must be above 0")


def mean_over_others(pairs: Tensor) -> Tensor:
    """Query by key, (rho, rho, B), to each query's mean over other clips, (rho,)."""
    rho = len(pairs)
    others = ~torch.eye(rho, dtype=torch.bool, device=pairs.device)  # -- other clips
    return (pairs.mean(dim=2) * others).sum(dim=1) / (rho - 1)


def moco_per_query(
    qs: Sequence[Tensor], ks: Sequence[Tensor], queue: Tensor, T: float = 0.1
) -> Tensor:
    """Loss of each clip as query, (rho,): name each other clip's key among the queue's.

    qs, ks: rho times (B, D). queue: (K, D), unit vectors of other videos. One positive
    at a time competes with the queue; the softmax never holds two.
    """
    check_clips(qs, ks, T)
    with torch.autocast(queue.device.type, enabled=False):
        q, k = unit_rows(qs), unit_rows(ks).detach()       # (rho, B, D)
        negatives = (q.flatten(0, 1) / T) @ queue.to(q).T  # (rho B, K)
        negatives = negatives.logsumexp(dim=1).view(*q.shape[:2])  # (rho, B)
        positive = torch.einsum("ibd,jbd->ijb", q / T, k)  # (rho, rho, B)  -- q k+
        return mean_over_others(F.softplus(negatives[:, None] - positive))  # -- moco


def rho_moco_loss(
    qs: Sequence[Tensor], ks: Sequence[Tensor], queue: Tensor, T: float = 0.1
) -> Tensor:
    """rho-MoCo: every clip is query once, all other clips are its positives."""
    return moco_per_query(qs, ks, queue, T).mean()         # ()  -- rho-MoCo


def byol_per_query(
    ps: Sequence[Tensor], ks: Sequence[Tensor], T: float = 0.5
) -> Tensor:
    """Loss of each clip as query, (rho,): -cos / T of prediction and others' keys."""
    check_clips(ps, ks, T)
    with torch.autocast(ps[0].device.type, enabled=False):
        p, k = unit_rows(ps), unit_rows(ks).detach()       # (rho, B, D)
        return mean_over_others(-torch.einsum("ibd,jbd->ijb", p, k) / T)  # -- cosine


def rho_byol_loss(
    ps: Sequence[Tensor], ks: Sequence[Tensor], T: float = 0.5
) -> Tensor:
    """rho-BYOL: no negatives. T = 0.5 makes it -2 cos, BYOL's loss without its 2."""
    return byol_per_query(ps, ks, T).mean()                # ()  -- rho-BYOL


def video_simclr_loss(z1: Tensor, z2: Tensor, T: float = 0.1) -> Tensor:
    """SimCLR's loss: two clips are the two views, other videos the negatives."""
    return nt_xent_loss(z1, z2, T)                         # ()  -- SimCLR


def video_swav_loss(
    scores1: Tensor, scores2: Tensor, T: float = 0.1, eps: float = 0.05, iters: int = 3
) -> Tensor:
    """Each clip's softmax over prototypes against the other's codes.

    scores: (B, N), unit embeddings times unit prototypes.
    """
    if scores1.shape != scores2.shape:
        raise ValueError(
            f"scores {tuple(scores1.shape)} and {tuple(scores2.shape)} differ; both "
            "are (B, N) of the same videos"
        )
    with torch.autocast(scores1.device.type, enabled=False):
        total = scores1.new_zeros(())
        for assigned, predicting in ((scores1, scores2), (scores2, scores1)):
            code = sinkhorn_knopp(assigned.detach(), eps, iters)  # (B, N)  -- codes
            predicting = predicting.to(code.dtype)
            total = total + F.cross_entropy(predicting / T, code)  # -- swapped
        return total / 2


# The model (Sec. 3.1) and its memory


def mlp(width: int, hidden: int, dim: int, layers: int, norm: bool) -> nn.Sequential:
    """`layers` linear layers, a ReLU (and batch norm) between each two."""
    parts: list[nn.Module] = []
    for _ in range(layers - 1):
        parts.append(nn.Linear(width, hidden, bias=not norm))
        parts += [nn.BatchNorm1d(hidden), nn.ReLU()] if norm else [nn.ReLU()]
        width = hidden
    return nn.Sequential(*parts, nn.Linear(width, dim))


class Network(nn.Module):
    """Encoder, mean over time and space, projector: (B, 3, T, H, W) to (B, D)."""

    def __init__(self, encoder: nn.Module, projector: nn.Module):
        super().__init__()
        self.encoder, self.projector = encoder, projector

    def forward(self, clip: Tensor) -> Tensor:
        return self.projector(self.encoder(clip).mean(dim=(2, 3, 4)))


class RhoVideoSSL(nn.Module):
    """What the method of `config` needs around an encoder from clips to maps.

    MoCo and BYOL have a slow copy for keys, BYOL a predictor, MoCo a queue, SwAV
    prototypes. Call `after_step` behind every optimiser step.
    """

    queue: Tensor

    def __init__(self, encoder: nn.Module, width: int, config: Config):
        super().__init__()
        self.config = c = config
        self.online = Network(encoder, mlp(width, c.hidden, c.dim, c.layers, c.norm))
        if c.method in ("moco", "byol"):
            self.keys = copy.deepcopy(self.online).requires_grad_(False)
        if c.method == "byol":
            self.predictor = mlp(c.dim, c.hidden, c.dim, 2, c.norm)
        if c.method == "moco":
            queue = F.normalize(torch.randn(c.queue, c.dim), dim=1)
            self.register_buffer("queue", queue)
        if c.method == "swav":
            self.prototypes = nn.Linear(c.dim, c.prototypes, bias=False)
            after_step(self, 0, 1)

    @property
    def encoder(self) -> nn.Module:
        """What is kept after training."""
        return self.online.encoder

    def forward(self, clips: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """rho clips to embeddings and, of the slow copy, keys; rho times (B, D)."""
        z = [self.online(clip) for clip in clips]          # (B, D)  -- queries
        if not hasattr(self, "keys"):
            return z, []
        with torch.no_grad():
            return z, [self.keys(clip) for clip in clips]  # (B, D)  -- keys


@torch.no_grad()
def enqueue(queue: Tensor, keys: Sequence[Tensor]) -> Tensor:
    """The queue behind this step: all rho keys of all processes in, the oldest out."""
    fresh = gather(unit_rows(keys).flatten(0, 1)).to(queue)  # (rho B, D)
    return torch.cat([fresh, queue])[: len(queue)]         # (K, D)  -- enqueue


# Training


def build(config: Config = TINY) -> RhoVideoSSL:
    """A Slow network: strides in space alone, 2-D stages first."""
    strides = ((1, 1), (1, 2), (1, 2), (1, 2))
    encoder = ResNet3d(
        config.widths, config.depths, temporal=config.temporal, strides=strides,
        stem=config.stem,
    )
    return RhoVideoSSL(encoder, encoder.width, config)


def mean_over_pairs(
    z: Sequence[Tensor], loss: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """A loss of two clips, over every two of rho."""
    return torch.stack([loss(a, b) for a, b in combinations(z, 2)]).mean()


def training_step(
    model: RhoVideoSSL, batch: Sequence[Tensor], step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss by the model's method. `spread` falls to 0 in a collapse."""
    c = model.config
    z, k = model(batch)
    if c.method == "moco":
        loss = rho_moco_loss(z, k, model.queue, c.temperature)
        model.queue = enqueue(model.queue, k)              # -- after the loss
    elif c.method == "byol":
        loss = rho_byol_loss([model.predictor(v) for v in z], k, c.temperature)
    elif c.method == "simclr":
        loss = mean_over_pairs(z, lambda a, b: video_simclr_loss(a, b, c.temperature))
    else:
        with torch.autocast(z[0].device.type, enabled=False):
            scores = model.prototypes(unit_rows(z)).unbind()  # rho (B, N)  -- scores
        loss = mean_over_pairs(
            scores,
            lambda a, b: video_swav_loss(a, b, c.temperature, c.epsilon, c.iterations),
        )
    return loss, {"loss": loss.item(), "spread": feature_spread(z[0])}


@torch.no_grad()
def after_step(model: RhoVideoSSL, step: int, steps: int) -> None:
    """The slow copy follows; SwAV's prototypes go back to unit length."""
    if model.config.method in ("moco", "byol"):
        m = float(cosine_tau(step, steps, model.config.momentum))  # -- momentum to 1
        ema_update(model.keys, model.online, m)            # -- key encoder
    if model.config.method == "swav":
        weight = model.prototypes.weight
        weight.copy_(F.normalize(weight, dim=1))           # -- unit prototypes
