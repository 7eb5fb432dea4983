"""The symmetrised loss, with the paper's width and a small one."""

from collections.abc import Iterator

from lightly.loss import NegativeCosineSimilarity

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls.simsiam import simsiam_loss


def steps() -> Iterator[Step]:
    peer = NegativeCosineSimilarity()
    for D in (256, 2048):
        p1, p2, z1, z2 = leaves((256, D), n=4)
        z1, z2 = z1.detach(), z2.detach()
        yield Step(
            f"simsiam_loss 256x{D} forward + backward",
            "lightly NegativeCosineSimilarity",
            ours=lambda p1=p1, p2=p2, z1=z1, z2=z2: backward(
                simsiam_loss(p1, p2, z1, z2), p1, p2
            ),
            theirs=lambda p1=p1, p2=p2, z1=z1, z2=z2: backward(
                (peer(p1, z2) + peer(p2, z1)) / 2, p1, p2
            ),
        )
