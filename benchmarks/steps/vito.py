"""The loss and the attention pool, beside their formulas written down plainly."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import vito


def one_direction(q: Tensor, k: Tensor, tau: float) -> Tensor:
    """Minus the logarithm of the right key's share."""
    q, k = F.normalize(q, dim=1), F.normalize(k.detach(), dim=1)
    scores = torch.exp(q @ k.T / tau)
    return -torch.log(scores.diag() / scores.sum(dim=1)).mean()


def weighted_mean(pool: vito.MultiScaleAttentionPool, maps: list[Tensor]) -> Tensor:
    """Maps times masks, summed over positions; the networks as 1 x 1 convolutions."""
    pooled = []
    for layer, x in zip(pool.children(), maps, strict=True):
        hidden = F.conv2d(x, layer.fc1.weight[..., None, None], layer.fc1.bias).relu()
        scores = F.conv2d(hidden, layer.fc2.weight[..., None, None], layer.fc2.bias)
        mask = scores.flatten(1).softmax(1).view_as(scores)
        pooled.append((x * mask).sum(dim=(2, 3)))
    return torch.cat(pooled, dim=1)


def steps() -> Iterator[Step]:
    q1, q2, k1, k2 = leaves((256, 256), n=4)
    yield Step(
        "moclr_loss 256x256 forward + backward", "plain transcription",
        ours=lambda: backward(vito.moclr_loss(q1, q2, k1, k2), q1, q2),
        theirs=lambda: backward(
            (one_direction(q1, k2, 0.1) + one_direction(q2, k1, 0.1)) / 2, q1, q2
        ),
    )
    torch.manual_seed(0)
    pool = vito.MultiScaleAttentionPool((128, 256), 128)
    (fine,), (coarse,) = leaves((8, 128, 14, 14)), leaves((8, 256, 7, 7))
    yield Step(
        "attention pool 8x128x14x14 and 8x256x7x7 forward + backward",
        "plain transcription",
        ours=lambda: backward(pool([fine, coarse])[0].square().sum(), fine, coarse),
        theirs=lambda: backward(
            weighted_mean(pool, [fine, coarse]).square().sum(), fine, coarse
        ),
    )
    logits, query = torch.randn(512, 100, 1000), torch.randint(1000, (512,))
    duration = torch.rand(512) * 20
    yield Step(
        "videonet_keep 512 videos, 100 frames, 1000 classes", "plain transcription",
        ours=lambda: vito.videonet_keep(query, logits, duration).int(),
        theirs=lambda: torch.stack([
            (frames.softmax(-1).argmax(-1) == c).any() & (seconds >= 10)
            for frames, c, seconds in zip(logits, query, duration, strict=True)
        ]).int(),
    )
