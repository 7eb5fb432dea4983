"""HiLo beside its plainest transcription, and beside attention of all to all."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
import torch.nn.functional as F
from timm.layers import Attention
from torch import Tensor, nn

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import hilo

C, HEADS = 384, 12


def softmax_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return ((q @ k.mT) * q.shape[-1] ** -0.5).softmax(-1) @ v


def heads(x: Tensor, n: int) -> Tensor:
    """(..., N, n*d) to (..., n, N, d)."""
    return x.unflatten(-1, (n, -1)).transpose(-2, -3)


def transcription(layer: hilo.HiLo, x: Tensor, H: int, W: int) -> Tensor:
    """The two branches as the formulas have them, windows first, explicit softmax."""
    B, s = len(x), layer.s
    maps = x.view(B, H, W, C)
    cut = maps.view(B, H // s, s, W // s, s, C).transpose(2, 3).reshape(B, -1, s * s, C)
    q, k, v = (heads(t, layer.h_heads) for t in layer.h_qkv(cut).chunk(3, -1))
    high = softmax_attention(q, k, v).transpose(-2, -3).flatten(-2)
    high = high.view(B, H // s, W // s, s, s, -1).transpose(2, 3).reshape(B, H * W, -1)
    pooled = F.avg_pool2d(maps.permute(0, 3, 1, 2), s).flatten(2).mT
    q = heads(layer.l_q(x), layer.l_heads)
    k, v = (heads(t, layer.l_heads) for t in layer.l_kv(pooled).chunk(2, -1))
    low = softmax_attention(q, k, v).transpose(1, 2).flatten(2)
    return torch.cat([layer.h_proj(high), layer.l_proj(low)], dim=-1)


@torch.inference_mode()
def plain(layer: Attention, x: Tensor) -> Tensor:
    """Attention of all pixels to all, every weight written down."""
    q, k, v = (heads(t, HEADS) for t in layer.qkv(x).chunk(3, -1))
    return layer.proj(softmax_attention(q, k, v).transpose(1, 2).flatten(2))


@torch.inference_mode()
def forward(layer: nn.Module, *args: Tensor | int) -> Tensor:
    return layer(*args)


def learn(f: partial[Tensor], x: Tensor) -> tuple[Tensor, ...]:
    return backward(f(x).square().sum(), x)


def steps() -> Iterator[Step]:
    torch.manual_seed(0)
    layer, full = hilo.HiLo(C, HEADS), Attention(C, HEADS)
    for side, batch in ((14, 8), (28, 2), (56, 1)):
        name = f"{side}x{side}, batch {batch}"
        (x,) = leaves((batch, side**2, C))
        ours = partial(forward, layer, x, side, side)
        with_gradient = partial(layer, H=side, W=side)
        written_out = partial(transcription, layer, H=side, W=side)
        yield Step(
            f"HiLo {name}, forward + backward", "plain transcription",
            ours=partial(learn, with_gradient, x),
            theirs=partial(learn, written_out, x),
        )
        # Another function of the same shape: what HiLo takes the place of.
        yield Step(
            f"HiLo {name}, forward", "plain attention",
            ours=ours, theirs=partial(plain, full, x), same=False,
        )
        yield Step(
            f"HiLo {name}, forward", "timm Attention (fused)",
            ours=ours, theirs=partial(forward, full, x), same=False,
        )
