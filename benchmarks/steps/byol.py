"""BYOL's loss and its moving average beside lightly's."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from lightly.loss import NegativeCosineSimilarity
from lightly.models.utils import update_momentum
from torch import Tensor

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import byol
from reference_impls.vit import ViT


def steps() -> Iterator[Step]:
    p1, p2 = leaves((256, 256), n=2)
    z1, z2 = (z.detach() for z in leaves((256, 256), n=2, seed=1))
    cosine = NegativeCosineSimilarity()
    yield Step(
        "byol_loss 256x256 forward + backward", "lightly NegativeCosineSimilarity",
        ours=lambda: backward(byol.byol_loss(p1, p2, z1, z2), p1, p2),
        theirs=lambda: backward(4 + 2 * (cosine(p1, z2) + cosine(p2, z1)), p1, p2),
    )
    torch.manual_seed(0)
    online, target = (ViT(224, 16, 192, 12, 3) for _ in range(2))
    theirs = copy.deepcopy(target)

    def first(network: ViT) -> list[Tensor]:
        return [p.detach().clone() for p in list(network.parameters())[:4]]

    def ours_moves() -> list[Tensor]:
        byol.ema_update(target, online, 0.996)
        return first(target)

    def theirs_moves() -> list[Tensor]:
        update_momentum(online, theirs, 0.996)
        return first(theirs)

    yield Step(
        "ema_update, 5.5 million parameters", "lightly update_momentum",
        ours=ours_moves, theirs=theirs_moves,
    )
