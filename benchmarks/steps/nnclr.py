"""The loss with its search, and the search alone, over a queue of 65536 rows."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from lightly.models.modules import NNMemoryBankModule
from torch import Tensor

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls.nnclr import nearest_neighbours, nnclr_loss

TAU = 0.1


def transcription(
    z1: Tensor, z2: Tensor, p1: Tensor, p2: Tensor, queue: Tensor
) -> Tensor:
    """Algorithm 1 of the paper, line by line."""
    def nearest(z: Tensor) -> Tensor:
        return queue[(F.normalize(z, dim=1) @ queue.T).argmax(1)]

    def one_way(nn: Tensor, p: Tensor) -> Tensor:
        logits = F.normalize(nn, dim=1) @ F.normalize(p, dim=1).T / TAU
        return F.cross_entropy(logits, torch.arange(len(nn)))

    return one_way(nearest(z1), p2) / 2 + one_way(nearest(z2), p1) / 2


def steps() -> Iterator[Step]:
    torch.manual_seed(0)
    bank = NNMemoryBankModule((65536, 256))
    z1, z2 = (z.detach() for z in leaves((256, 256), n=2))
    p1, p2 = leaves((256, 256), n=2, seed=1)
    queue = bank.bank

    def lightlys() -> Tensor:
        """Its memory bank with the paper's loss; its example takes another loss."""
        neighbours = bank(z1), bank(z2)
        return sum(
            F.cross_entropy(nn @ F.normalize(p, dim=1).T / TAU, torch.arange(256))
            for nn, p in zip(neighbours, (p2, p1), strict=True)
        ) / 2

    yield Step(
        "nearest neighbours of 256 in 65536x256", "lightly NNMemoryBankModule",
        ours=lambda: queue[nearest_neighbours(z1, queue)],
        theirs=lambda: bank(z1),
    )
    yield Step(
        "nnclr_loss 256x256, queue 65536, forward + backward",
        "lightly NNMemoryBankModule",
        ours=lambda: backward(nnclr_loss(z1, z2, p1, p2, queue, TAU), p1, p2),
        theirs=lambda: backward(lightlys(), p1, p2),
    )
    yield Step(
        "nnclr_loss 256x256, queue 65536, forward + backward", "plain transcription",
        ours=lambda: backward(nnclr_loss(z1, z2, p1, p2, queue, TAU), p1, p2),
        theirs=lambda: backward(transcription(z1, z2, p1, p2, queue), p1, p2),
    )
