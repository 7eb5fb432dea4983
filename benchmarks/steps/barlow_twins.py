"""The loss, with few features and with many more than images."""

from collections.abc import Iterator

from lightly.loss import BarlowTwinsLoss

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls.barlow_twins import barlow_twins_loss


def steps() -> Iterator[Step]:
    peer = BarlowTwinsLoss(lambda_param=0.0051)
    for B, D in ((256, 256), (256, 2048)):
        z1, z2 = leaves((B, D), n=2)
        yield Step(
            f"barlow_twins_loss {B}x{D} forward + backward", "lightly BarlowTwinsLoss",
            ours=lambda z1=z1, z2=z2: backward(barlow_twins_loss(z1, z2), z1, z2),
            theirs=lambda z1=z1, z2=z2: backward(peer(z1, z2), z1, z2),
        )
