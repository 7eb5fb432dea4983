"""The softened divergence, and the whole loss with labels, over ImageNet's classes."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import knowledge_distillation as kd

T, ALPHA = 4.0, 0.9


def divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """As it is usually written: log-probabilities against probabilities."""
    log_q, p = F.log_softmax(student / T, dim=1), F.softmax(teacher / T, dim=1)
    return F.kl_div(log_q, p, reduction="sum") * T**2 / len(student)


def steps() -> Iterator[Step]:
    (student,), teacher = leaves((256, 1000)), leaves((256, 1000), seed=1)[0].detach()
    labels = torch.arange(256) * 3 % 1000
    yield Step(
        "distillation_loss 256x1000 forward + backward", "plain transcription",
        ours=lambda: backward(kd.distillation_loss(student, teacher, T), student),
        theirs=lambda: backward(divergence(student, teacher), student),
    )
    yield Step(
        "kd_total_loss 256x1000 forward + backward", "plain transcription",
        ours=lambda: backward(
            kd.kd_total_loss(student, teacher, labels, T, ALPHA), student
        ),
        theirs=lambda: backward(
            (1 - ALPHA) * F.cross_entropy(student, labels)
            + ALPHA * divergence(student, teacher),
            student,
        ),
    )
