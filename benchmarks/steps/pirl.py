"""Noise contrast against a memory, beside the formula as it stands."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import pirl

TEMPERATURE, Z, MOMENTUM = 0.07, 1e6, 0.5


def term(v: Tensor, memory: Tensor, index: Tensor, negatives: Tensor) -> Tensor:
    """Copy the rows an image is compared with, and judge each of them."""
    (B, K), N = negatives.shape, len(memory)
    rows = torch.cat([index[:, None], negatives], dim=1)
    compared = memory[rows]                                     # (B, 1+K, D)
    scores = torch.bmm(compared, v[:, :, None])[..., 0] / TEMPERATURE
    P, c, eps = scores.exp() / Z, K / N, torch.finfo(torch.float32).eps
    own = (P[:, 0] / (P[:, 0] + c + eps)).log().sum()
    others = (c / (P[:, 1:] + c + eps)).log().sum()
    return -(own + others) / B


def plain(
    v_patch: Tensor, v_image: Tensor, memory: Tensor, index: Tensor, negatives: Tensor
) -> tuple[Tensor, Tensor]:
    """Both terms, then the memory's rows of these images."""
    v_patch, v_image = F.normalize(v_patch, dim=1), F.normalize(v_image, dim=1)
    patch = term(v_patch, memory, index, negatives[0])
    image = term(v_image, memory, index, negatives[1])
    moved = MOMENTUM * memory[index] + (1 - MOMENTUM) * v_image.detach()
    renewed = memory.clone()
    renewed[index] = F.normalize(moved, dim=1)
    return (patch + image) / 2, renewed


def steps() -> Iterator[Step]:
    B, D, N, K = 32, 128, 50_000, 4096
    v_patch, v_image = leaves((B, D), n=2)
    memory = F.normalize(leaves((N, D), seed=1)[0].detach(), dim=1)
    generator = torch.Generator().manual_seed(2)
    index = torch.randperm(N, generator=generator)[:B]
    negatives = torch.randint(N, (2, B, K), generator=generator)

    def ours() -> tuple:
        loss, renewed, _ = pirl.pirl_loss(
            v_patch, v_image, memory, index, negatives, TEMPERATURE, Z
        )
        return *backward(loss, v_patch, v_image), renewed

    def theirs() -> tuple:
        loss, renewed = plain(v_patch, v_image, memory, index, negatives)
        return *backward(loss, v_patch, v_image), renewed

    yield Step(
        f"pirl_loss {B}x{D}, memory of {N}, {K} negatives, forward + backward",
        "plain transcription", ours, theirs,
    )
