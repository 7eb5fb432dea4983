"""InfoNCE against a queue, beside the formula as it stands."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import moco

TEMPERATURE = 0.07


def plain(q: Tensor, k: Tensor, queue: Tensor) -> Tensor:
    """All logits side by side, the positive first, and their cross-entropy."""
    q, k = F.normalize(q, dim=1), F.normalize(k, dim=1)
    positive = torch.einsum("nc,nc->n", q, k)[:, None]
    negatives = torch.einsum("nc,ck->nk", q, queue)
    logits = torch.cat([positive, negatives], dim=1) / TEMPERATURE
    return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))


def steps() -> Iterator[Step]:
    q, k = leaves((256, 128), n=2)
    k = k.detach()
    queue = F.normalize(leaves((128, 65536), seed=1)[0].detach(), dim=0)
    yield Step(
        "moco_info_nce 256x128, queue of 65536, forward + backward",
        "plain transcription",
        ours=lambda: backward(moco.moco_info_nce(q, k, queue, TEMPERATURE), q),
        theirs=lambda: backward(plain(q, k, queue), q),
    )
