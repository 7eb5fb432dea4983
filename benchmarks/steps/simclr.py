"""NT-Xent beside lightly's."""

from __future__ import annotations

from collections.abc import Iterator

from lightly.loss import NTXentLoss

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import simclr


def steps() -> Iterator[Step]:
    peer = NTXentLoss(temperature=0.1)
    for B, D in [(256, 256), (256, 128)]:
        z1, z2 = leaves((B, D), n=2)
        yield Step(
            f"nt_xent {B}x{D} forward + backward", "lightly NTXentLoss",
            ours=lambda z1=z1, z2=z2: backward(simclr.nt_xent_loss(z1, z2), z1, z2),
            theirs=lambda z1=z1, z2=z2: backward(peer(z1, z2), z1, z2),
        )
