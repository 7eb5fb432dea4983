"""GRN and a block of ConvNeXt V2, forward and backward."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from timm.layers.grn import GlobalResponseNorm
from timm.models.convnext import ConvNeXtBlock
from torch import nn

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import convnextv2


def randomised(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.05, generator=generator)
    return module


def grn_step(side: int, dim: int) -> Step:
    (x,) = leaves((1, side, side, dim))
    ours, theirs = randomised(convnextv2.GRN(dim)), randomised(GlobalResponseNorm(dim))
    return Step(
        f"GRN 1x{side}x{side}x{dim} forward + backward", "timm GlobalResponseNorm",
        ours=lambda: backward(ours(x).square().sum(), x, *ours.parameters())[:2],
        theirs=lambda: backward(theirs(x).square().sum(), x, *theirs.parameters())[:2],
    )


def block_step(side: int, dim: int) -> Step:
    (x,) = leaves((2, dim, side, side))
    ours = randomised(convnextv2.ConvNeXtV2Block(dim))
    theirs = randomised(ConvNeXtBlock(dim, use_grn=True, ls_init_value=None))
    return Step(
        f"block 2x{dim}x{side}x{side} forward + backward", "timm ConvNeXtBlock",
        ours=lambda: backward(ours(x).square().sum(), x, *ours.parameters())[:2],
        theirs=lambda: backward(theirs(x).square().sum(), x, *theirs.parameters())[:2],
    )


def steps() -> Iterator[Step]:
    yield grn_step(56, 384)
    yield grn_step(14, 1536)
    yield block_step(28, 96)
