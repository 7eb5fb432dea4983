"""Knowledge distillation: learn from a teacher's doubts, not only from the label.

Paper:    Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network",
          NIPS 2014 Deep Learning Workshop, arXiv 1503.02531
Differs:  1. KL divergence where the paper writes cross-entropy: the same gradient, and
             zero when the student agrees
          2. weights (1 - alpha) and alpha T^2, as later code has settled; the paper
             says only that the second objective should weigh considerably less
Checked:  HobbitLong/RepDistiller@b84f547 and megvii-research/mdistiller@a08d46f: loss
          and gradient to 1e-9 (the paper has no official code)

Shapes:   B images, C classes
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Config:
    """The weights that later image classification code has made common."""

    temperature: float = 4.0   # T; the paper tries 1 to 20
    alpha: float = 0.9         # share of the teacher's part


TINY = Config()


def distillation_loss(
    student_logits: Tensor, teacher_logits: Tensor, temperature: float = 4.0
) -> Tensor:
    """T^2 KL(teacher || student) of softened classes, mean over the batch (Sec. 2).

    Both (B, C), before the softmax. No gradient reaches the teacher.
    """
    if student_logits.shape != teacher_logits.shape:
        raise ValueError(
            f"student {tuple(student_logits.shape)} and teacher "
            f"{tuple(teacher_logits.shape)} must answer over the same classes (B, C)"
        )
    if temperature <= 0:
        raise ValueError(f"temperature {temperature} must be above 0")
    T = temperature
    log_p = F.log_softmax(teacher_logits.detach() / T, dim=1)   # (B, C)  -- teacher
    log_q = F.log_softmax(student_logits / T, dim=1)            # (B, C)  -- student
    kl = F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)  # ()  -- KL
    return T**2 * kl                                            # ()  -- T squared


def kd_total_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    temperature: float = 4.0,
    alpha: float = 0.9,
) -> Tensor:
    """Labels and teacher together. Logits (B, C), labels (B,) of class indices."""
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha {alpha} must be in [0, 1]: it is the teacher's share")
    hard = F.cross_entropy(student_logits, labels)
    soft = distillation_loss(student_logits, teacher_logits, temperature)
    return (1 - alpha) * hard + alpha * soft                    # ()  -- both

