"""The assignment, and the loss over two large and six small crops, 3000 prototypes."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from lightly.loss import SwaVLoss
from lightly.loss.swav_loss import sinkhorn
from torch import Tensor

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls.swav import sinkhorn_knopp, swav_loss

B, V, K = 256, 8, 3000


def transcription(scores: Tensor) -> Tensor:
    """The paper's sum over pairs, with the codes as its listing makes them."""
    parts, total = scores.chunk(V), scores.new_zeros(())
    for i in (0, 1):
        with torch.no_grad():
            q = sinkhorn(parts[i])
        for v in set(range(V)) - {i}:
            log_p = F.log_softmax(parts[v] / 0.1, dim=1)
            total = total - (q * log_p).sum(dim=1).mean() / (V - 1)
    return total / 2


def steps() -> Iterator[Step]:
    z, prototypes = leaves((V * B, 128))[0], leaves((K, 128), seed=1)[0]
    with torch.no_grad():
        scores = F.normalize(z, dim=1) @ F.normalize(prototypes, dim=1).T
    few = scores[:B].clone()
    scores.requires_grad_()
    peer = SwaVLoss()

    def lightlys() -> Tensor:
        parts = list(scores.chunk(V))
        return peer(parts[:2], parts[2:])[0]

    yield Step(
        f"sinkhorn_knopp {B}x{K}, 3 turns", "lightly sinkhorn",
        ours=lambda: sinkhorn_knopp(few),
        theirs=lambda: sinkhorn(few),
    )
    for name, theirs in (
        ("lightly SwaVLoss", lightlys),
        ("plain transcription", lambda: transcription(scores)),
    ):
        yield Step(
            f"swav_loss {B}, 2 + 6 crops, {K} prototypes, forward + backward", name,
            ours=lambda: backward(swav_loss(scores, B), scores),
            theirs=lambda theirs=theirs: backward(theirs(), scores),
        )
