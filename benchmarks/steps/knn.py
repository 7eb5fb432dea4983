"""Weighted k-NN at the size of a small benchmark: 20000 training, 1000 test images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from benchmarks.side_by_side import Step
from reference_impls import knn

C, K, T = 100, 20, 0.07


def chunked(train: Tensor, labels: Tensor, test: Tensor) -> Tensor:
    """A hundred chunks and a one-hot table for each, as evaluation scripts write it."""
    scores = []
    for part in test.chunk(100):
        similarity, rows = (part @ train.T).topk(K, dim=1)
        one_hot = F.one_hot(labels[rows], C)                            # (m, K, C)
        scores.append((one_hot * (similarity / T).exp()[..., None]).sum(1))
    return torch.cat(scores)


def steps() -> Iterator[Step]:
    generator = torch.Generator().manual_seed(0)
    train = F.normalize(torch.randn(20000, 384, generator=generator), dim=1)
    test = F.normalize(torch.randn(1000, 384, generator=generator), dim=1)
    labels = torch.randint(C, (20000,), generator=generator)
    what = "weighted k-NN, 20000 x 384 train, 1000 test, k=20"
    yield Step(
        what, "plain transcription",
        ours=lambda: knn.weighted_knn(train, labels, test, K, T, C),
        theirs=lambda: chunked(train, labels, test),
    )
    peer = KNeighborsClassifier(
        K, algorithm="brute", metric="cosine", weights=lambda d: np.exp((1 - d) / T)
    ).fit(train.numpy(), labels.numpy())
    yield Step(
        f"{what}, shares", "scikit-learn KNeighborsClassifier",
        ours=lambda: knn.weighted_knn(train, labels, test, K, T, C, softmax=True),
        theirs=lambda: torch.from_numpy(peer.predict_proba(test.numpy())),
    )
