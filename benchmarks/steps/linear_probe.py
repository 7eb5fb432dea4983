"""One epoch of a linear probe on features that were computed once."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.side_by_side import Step
from reference_impls import linear_probe

N, D, C, BATCH = 10000, 384, 100, 256


def loader_epoch(probe: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
    """The usual loop: a DataLoader collates single images into batches."""
    sgd = torch.optim.SGD(probe.parameters(), 0.1, 0.9)
    total = torch.zeros(1)
    batches = DataLoader(TensorDataset(features, labels), BATCH)
    probe.train()
    for x, y in batches:
        loss = F.cross_entropy(probe(x), y)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        total += loss.detach()
    return total / len(batches)


def our_epoch(probe: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
    sgd = torch.optim.SGD(probe.parameters(), 0.1, 0.9)
    return torch.tensor(
        linear_probe.train_linear_probe(probe, sgd, features, labels, [0.1], BATCH)
    )


def from_zero(probe: nn.Module) -> nn.Module:
    """Both sides start from the same weights each time."""
    for parameter in probe.parameters():
        nn.init.zeros_(parameter)
    return probe


def steps() -> Iterator[Step]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(N, D, generator=generator)
    labels = torch.randint(C, (N,), generator=generator)
    for kind in (linear_probe.LinearProbe, linear_probe.BNLinearProbe):
        ours, theirs = kind(D, C), kind(D, C)
        yield Step(
            f"{kind.__name__} one epoch of {N} x {D}, C={C}, batch {BATCH}",
            "torch DataLoader loop",
            ours=lambda p=ours: our_epoch(from_zero(p), features, labels),
            theirs=lambda p=theirs: loader_epoch(from_zero(p), features, labels),
        )
