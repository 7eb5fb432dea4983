"""The symmetric contrastive loss, beside the formula as it stands."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import moco_v3

TEMPERATURE = 0.2


def plain(q: Tensor, k: Tensor) -> Tensor:
    """One direction: cosines over the temperature, cross-entropy, times two of it."""
    q, k = F.normalize(q, dim=1), F.normalize(k, dim=1)
    logits = torch.einsum("nc,mc->nm", q, k) / TEMPERATURE
    return F.cross_entropy(logits, torch.arange(len(q))) * 2 * TEMPERATURE


def steps() -> Iterator[Step]:
    q1, q2, k1, k2 = leaves((256, 256), n=4)
    k1, k2 = k1.detach(), k2.detach()
    yield Step(
        "moco_v3_loss 256x256 forward + backward", "plain transcription",
        ours=lambda: backward(
            moco_v3.moco_v3_loss(q1, q2, k1, k2, TEMPERATURE), q1, q2
        ),
        theirs=lambda: backward(plain(q1, k2) + plain(q2, k1), q1, q2),
    )
