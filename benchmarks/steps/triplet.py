"""Triplet and pair losses and the mining of triplets, beside torch and plain loops."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import triplet


def squared_by_formula(a: Tensor, p: Tensor, n: Tensor, margin: float) -> Tensor:
    near, far = ((a - p) ** 2).sum(1), ((a - n) ** 2).sum(1)
    return torch.clamp(near - far + margin, min=0).mean()


def pair_by_formula(z1: Tensor, z2: Tensor, same: Tensor, margin: float) -> Tensor:
    squared, y = ((z1 - z2) ** 2).sum(1), same.float()
    apart = torch.clamp(margin - (squared + 1e-9).sqrt(), min=0) ** 2
    return 0.5 * (y * squared + (1 - y) * apart).mean()


def mine_by_broadcasting(z: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """All pairs against all negatives at once: (P, B) numbers."""
    d = torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist")
    same = labels[:, None] == labels
    a, p = (same & ~torch.eye(len(z), dtype=torch.bool)).nonzero().unbind(1)
    beyond = (d[a] > d[a, p][:, None]) & ~same[a]
    nearest = d[a].masked_fill(~beyond, torch.inf).argmin(1)
    farthest = d[a].masked_fill(same[a], -1).argmax(1)
    return a, p, torch.where(beyond.any(1), nearest, farthest)


def steps() -> Iterator[Step]:
    a, p, n = leaves((256, 256), n=3)
    yield Step(
        "triplet_loss not squared 256x256 forward + backward",
        "torch F.triplet_margin_loss",
        ours=lambda: backward(triplet.triplet_loss(a, p, n, squared=False), a, p, n),
        theirs=lambda: backward(F.triplet_margin_loss(a, p, n), a, p, n),
    )
    yield Step(
        "triplet_loss 256x256 forward + backward", "plain transcription",
        ours=lambda: backward(triplet.triplet_loss(a, p, n), a, p, n),
        theirs=lambda: backward(squared_by_formula(a, p, n, 1.0), a, p, n),
    )
    same = torch.arange(256) % 2
    yield Step(
        "contrastive_pair_loss 256x256 forward + backward", "plain transcription",
        ours=lambda: backward(triplet.contrastive_pair_loss(a, p, same, 20.0), a, p),
        theirs=lambda: backward(pair_by_formula(a, p, same, 20.0), a, p),
    )
    z, labels = F.normalize(a.detach(), dim=1), torch.arange(256) % 16
    yield Step(
        "semi_hard_triplets 256x256, 16 kinds", "plain transcription",
        ours=lambda: triplet.semi_hard_triplets(z, labels),
        theirs=lambda: mine_by_broadcasting(z, labels),
    )
