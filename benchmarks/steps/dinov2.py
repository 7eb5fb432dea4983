"""DINOv2's losses, forward and backward, and Sinkhorn-Knopp with 65536 prototypes."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from lightly.loss import DINOLoss, IBOTPatchLoss, KoLeoLoss
from torch import Tensor

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import dino, dinov2


def transcribed(logits: Tensor, temp: float, n_iters: int = 3) -> Tensor:
    """The algorithm as it is written: one matrix, its rows and columns made to sum."""
    Q = (logits / temp).exp().T                                       # (K, B)
    K, B = Q.shape
    Q = Q / Q.sum()
    for _ in range(n_iters):
        Q = Q / Q.sum(dim=1, keepdim=True) / K
        Q = Q / Q.sum(dim=0, keepdim=True) / B
    return (Q * B).T


def steps() -> Iterator[Step]:
    (x,) = leaves((256, 256))
    koleo = KoLeoLoss()
    yield Step(
        "KoLeo 256x256, forward + backward", "lightly KoLeoLoss",
        ours=lambda: backward(dinov2.koleo_loss(x), x),
        theirs=lambda: backward(koleo(x), x),
    )
    generator = torch.Generator().manual_seed(0)
    mask = dinov2.random_masks(8, (14, 14), generator, share=1.0)
    student, teacher = leaves((int(mask.sum()), 8192), n=2)
    teacher.detach_()
    ibot, center = IBOTPatchLoss(8192, teacher_temp=0.07), torch.zeros(1, 8192)
    ibot.center.momentum = 1.0  # else each turn would start from another centre

    def ours() -> tuple[Tensor, ...]:
        probs = dino.teacher_targets(teacher, center, 0.07)
        loss = dinov2.ibot_patch_loss(student, probs, mask, 0.1)
        dinov2.update_center(center, teacher)
        return backward(loss, student)

    yield Step(
        f"iBOT 8 crops, {len(student)} patches, 8192 prototypes, fwd + bwd",
        "lightly IBOTPatchLoss", ours=ours,
        theirs=lambda: backward(ibot(teacher, student, mask.view(8, 14, 14)), student),
    )
    (views,) = leaves((10 * 8, 65536))
    whole, peer = leaves((2 * 8, 65536))[0].detach(), DINOLoss(65536, center_momentum=1)
    start = torch.zeros(1, 65536)

    def image_level() -> tuple[Tensor, ...]:
        loss = dinov2.dinov2_dino_loss(views[16:], views[:16], whole, start, 8, 0.04)
        dinov2.update_center(start, whole)
        return backward(loss, views)

    yield Step(
        "DINO 8 images, 2 + 8 views, 65536 prototypes, fwd + bwd", "lightly DINOLoss",
        ours=image_level,
        theirs=lambda: backward(
            peer(list(whole.chunk(2)), list(views.chunk(10)), teacher_temp=0.04), views
        ),
    )
    logits = leaves((16, 65536))[0].detach() / 10
    yield Step(
        "Sinkhorn-Knopp 16x65536, 3 iterations", "plain transcription",
        ours=lambda: dinov2.sinkhorn_knopp_teacher(logits, 0.07),
        theirs=lambda: transcribed(logits, 0.07),
    )
