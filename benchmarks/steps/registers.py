"""A ViT with registers beside timm's, and the analysis of its patches."""

from __future__ import annotations

from collections.abc import Iterator

import timm
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import registers


def transcribed(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """The mean over the neighbours that exist, patch by patch."""
    h, w = grid
    x, rows = tokens.unflatten(1, grid), []
    for i in range(h):
        for j in range(w):
            beside = [(i + a, j + b) for a, b in ((0, 1), (1, 0), (0, -1), (-1, 0))]
            rows.append(torch.stack([
                F.cosine_similarity(x[:, i, j], x[:, k, m], dim=-1)
                for k, m in beside if 0 <= k < h and 0 <= m < w
            ]).mean(0))
    return torch.stack(rows, dim=1)


def steps() -> Iterator[Step]:
    theirs = timm.create_model(
        "vit_small_patch14_reg4_dinov2", img_size=112, embed_dim=192, depth=4,
        num_heads=3, num_classes=0,
    ).eval()
    ours = registers.RegisterViT(112, 14, 192, 4, 3, places="patches").eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(8, 3, 112, 112)

    @torch.no_grad()
    def looked(model: torch.nn.Module) -> Tensor:
        return model.forward_features(images)

    yield Step(
        "ViT, 4 registers, 4 layers of 192, 8 images of 112, forward", "timm",
        ours=lambda: looked(ours), theirs=lambda: looked(theirs),
    )

    def learned(model: torch.nn.Module) -> tuple[Tensor, ...]:
        weights = [block.attn.qkv.weight for block in model.blocks]
        return backward(model.forward_features(images).square().mean(), *weights)

    yield Step(
        "the same, forward + backward to the attention's weights", "timm",
        ours=lambda: learned(ours), theirs=lambda: learned(theirs),
    )
    tokens = leaves((2, 256, 384))[0].detach()
    yield Step(
        "cosine to the neighbours, 2 images of 16x16 patches", "plain transcription",
        ours=lambda: registers.neighbor_cosine(tokens, (16, 16)),
        theirs=lambda: transcribed(tokens, (16, 16)),
    )
