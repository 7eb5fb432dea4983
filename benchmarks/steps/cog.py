"""Ten epochs of the benchmark's linear classifier, and its few-shot sampling."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.side_by_side import Step
from reference_impls import cog

N, D, C, EPOCHS, BATCH = 5000, 256, 100, 5, 1024


def with_autograd(X: Tensor, y: Tensor, X_test: Tensor) -> tuple[Tensor, Tensor]:
    """The same training by torch's own layer, loss and optimiser."""
    layer = nn.Linear(D, C)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    sgd = torch.optim.SGD(layer.parameters(), 1.0, momentum=0.9, weight_decay=1e-4)
    for lr in cog.cosine_lrs(1.0, EPOCHS):
        sgd.param_groups[0]["lr"] = lr
        for x, labels in zip(X.split(BATCH), y.split(BATCH), strict=True):
            loss = F.cross_entropy(layer(x), labels)
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            loss.item()
    return layer.weight.detach(), layer(X_test).detach()


def by_hand(X: Tensor, y: Tensor, X_test: Tensor) -> tuple[Tensor, Tensor]:
    W, _, history = cog.train_linear_classifier(
        X, y, X_test, 1.0, 1e-4, EPOCHS, batch_size=BATCH, num_classes=C
    )
    return W, history.logits


def steps() -> Iterator[Step]:
    generator = torch.Generator().manual_seed(0)
    X = cog.l2_normalize(torch.randn(N, D, generator=generator))
    y = torch.randint(C, (N,), generator=generator)
    yield Step(
        f"linear classifier, {EPOCHS} epochs of {N} x {D}, C={C}, batch {BATCH}",
        "torch Linear, cross_entropy, SGD",
        ours=lambda: by_hand(X, y, X[:100]),
        theirs=lambda: with_autograd(X, y, X[:100]),
    )
