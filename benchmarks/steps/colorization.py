"""Colorization: the pointer, its loss, and the clusters of colours."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import colorization


def pointer_by_formula(
    ref: Tensor, tar: Tensor, labels: Tensor, targets: Tensor, temperature: float
) -> Tensor:
    logits = torch.einsum("bjc,bic->bji", tar, ref) / temperature
    probs = torch.einsum("bji,bid->bjd", torch.softmax(logits, 2), labels)
    onehot = F.one_hot(targets, labels.shape[2])
    return -(onehot * torch.log(probs + 1e-12)).sum(2).mean()


def clusters_by_loop(
    points: Tensor, k: int, generator: torch.Generator, iterations: int
) -> Tensor:
    centroids = points[torch.randperm(len(points), generator=generator)[:k]].clone()
    for _ in range(iterations):
        nearest = torch.cdist(points, centroids).argmin(1)
        for i in range(k):
            if (nearest == i).any():
                centroids[i] = points[nearest == i].mean(0)
    return centroids


def steps() -> Iterator[Step]:
    g = torch.Generator().manual_seed(0)
    ref, = leaves((2, 3 * 256, 64))
    tar, = leaves((2, 256, 64), seed=1)
    labels = F.one_hot(torch.randint(16, (2, 3 * 256), generator=g), 16).float()
    targets = torch.randint(16, (2, 256), generator=g)

    def ours() -> tuple[Tensor, ...]:
        _, probs = colorization.pointer_copy(ref, tar, labels, 4.0)
        return backward(colorization.pointer_color_loss(probs, targets), ref, tar)

    yield Step(
        "pointer and loss 2 x 256 from 768, 64-d forward + backward",
        "plain transcription",
        ours=ours,
        theirs=lambda: backward(
            pointer_by_formula(ref, tar, labels, targets, 4.0), ref, tar
        ),
    )
    points = torch.randn(4096, 2, generator=g)
    yield Step(
        "kmeans 4096 points, 16 colours, 20 rounds", "plain transcription",
        ours=lambda: colorization.kmeans(points, 16, torch.Generator().manual_seed(1)),
        theirs=lambda: clusters_by_loop(
            points, 16, torch.Generator().manual_seed(1), 20
        ),
    )
