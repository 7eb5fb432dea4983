"""HiLo: some heads look closely within windows, the others look far at a blurred map.

Paper:    Pan, Cai & Zhuang, "Fast Vision Transformers with HiLo Attention",
          NeurIPS 2022, arXiv 2205.13213
Differs:  1. the attention layer alone, not the LITv2 network around it
          2. sides that the window does not divide are refused; the official layer
             fails on them later, in a reshape
          3. no dropout: the paper trains without it in this layer
          4. attention weights are returned on request, for pictures
          5. `from_plain` makes a layer of a plain one's trained heads, for pictures
Checked:  ziplab/LITv2@7501c86 hilo.py: output to 2e-5, FLOPs exactly

Shapes:   B images, H x W map, N = H W tokens, C channels, s window side
          (ss = s s pixels), M = N / ss windows, h heads of width d (h_hi + h_lo in all)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    """Third stage of LITv2-S on 224 pixels, the stage that has windows of s = 2."""

    dim: int = 384          # C
    num_heads: int = 12     # h: at alpha 0.9 this makes 10 low and 2 high
    window_size: int = 2    # s
    alpha: float = 0.9      # share of the heads that go to Lo-Fi
    qkv_bias: bool = True
    height: int = 14        # H and W of the map at stride 16
    width: int = 14


TINY = Config(dim=32, num_heads=4, alpha=0.5, height=8, width=8)


class HiLoWeights(NamedTuple):
    """Softmax weights of both branches; None for a branch that has no head."""

    high: Tensor | None     # (B, M, h_hi, ss, ss): pixel to pixel inside each window
    low: Tensor | None      # (B, h_lo, N, M): every pixel to every pooled window


def attention(
    q: Tensor, k: Tensor, v: Tensor, need_weights: bool
) -> tuple[Tensor, Tensor | None]:
    """Scaled dot-product attention over the last two axes.

    q: (..., n, d); k, v: (..., m, d). Returns (..., n, d) and, on request, the
    weights (..., n, m), whose rows sum to 1.
    """
    if not need_weights:  # the same in one kernel: the table is never written
        return F.scaled_dot_product_attention(q, k, v), None
    scores = q * q.shape[-1] ** -0.5 @ k.mT           # (..., n, m)
    weights = scores.softmax(dim=-1)                  # (..., n, m)  -- softmax
    return weights @ v, weights                       # (..., n, d)


class HiLo(nn.Module):
    """Self-attention with its heads divided between two frequencies.

    dim: C, a multiple of num_heads. window_size: s; 1 leaves plain attention.
    alpha: Lo-Fi's share of the heads, rounded down; 0 or 1 leaves one branch.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int = 8,
        window_size: int = 2,
        alpha: float = 0.9,
        qkv_bias: bool = False,
    ):
        super().__init__()
        check_sizes(dim, num_heads, window_size, alpha)
        self.dim, self.s = dim, window_size
        self.d = dim // num_heads
        # Windows of one pixel have nothing to attend to: all heads go to Lo-Fi.
        share = alpha if window_size > 1 else 1.0
        self.l_heads = int(num_heads * share)      # -- low heads
        self.h_heads = num_heads - self.l_heads    # -- high heads
        self.l_dim, self.h_dim = self.l_heads * self.d, self.h_heads * self.d
        if self.l_heads:
            self.l_q = nn.Linear(dim, self.l_dim, bias=qkv_bias)
            self.l_kv = nn.Linear(dim, 2 * self.l_dim, bias=qkv_bias)
            self.l_proj = nn.Linear(self.l_dim, self.l_dim)
        if self.h_heads:
            self.h_qkv = nn.Linear(dim, 3 * self.h_dim, bias=qkv_bias)
            self.h_proj = nn.Linear(self.h_dim, self.h_dim)

    def forward(
        self, x: Tensor, H: int, W: int, need_weights: bool = False
    ) -> Tensor | tuple[Tensor, HiLoWeights]:
        """Tokens (B, N, C) of an H x W map, row by row, to (B, N, C).

        With need_weights: also the two branches' attention.
        """
        B, N, C = x.shape
        self.check_map(N, H, W)
        x = x.reshape(B, H, W, C)
        branches, high, low = [], None, None
        if self.h_heads:
            out, high = self.hifi(x, need_weights)   # (B, H, W, h_hi*d)
            branches.append(out)
        if self.l_heads:
            out, low = self.lofi(x, need_weights)    # (B, H, W, h_lo*d)
            branches.append(out)
        out = torch.cat(branches, dim=-1)            # (B, H, W, C)  -- concatenation
        out = out.reshape(B, N, C)
        return (out, HiLoWeights(high, low)) if need_weights else out

    def hifi(self, x: Tensor, need_weights: bool) -> tuple[Tensor, Tensor | None]:
        """High frequencies: attention inside windows of s x s. x: (B, H, W, C)."""
        B, H, W, _ = x.shape
        s, h, rows, cols = self.s, self.h_heads, H // self.s, W // self.s
        # The linear map acts on each pixel alone, so windows may be cut behind it.
        qkv = self.h_qkv(x).view(B, rows, s, cols, s, 3, h, self.d)
        qkv = qkv.permute(5, 0, 1, 3, 6, 2, 4, 7)  # (3, B, rows, cols, h_hi, s, s, d)
        windows = qkv.reshape(3, -1, h, s * s, self.d)         # -- windows
        q, k, v = windows                                      # (B*M, h_hi, ss, d)
        out, weights = attention(q, k, v, need_weights)        # as q  -- Hi-Fi
        out = out.unflatten(2, (s, s)).unflatten(0, (B, rows, cols))
        out = out.permute(0, 1, 4, 2, 5, 3, 6)         # (B, rows, s, cols, s, h_hi, d)
        out = self.h_proj(out.reshape(B, H, W, self.h_dim))
        return out, None if weights is None else weights.unflatten(0, (B, -1))

    def lofi(self, x: Tensor, need_weights: bool) -> tuple[Tensor, Tensor | None]:
        """Low frequencies: every position asks the pooled map. x: (B, H, W, C)."""
        B, H, W, _ = x.shape
        q = self.l_q(x).reshape(B, H * W, self.l_heads, self.d)
        q = q.transpose(1, 2)                                  # (B, h_lo, N, d)
        kv = self.l_kv(self.pool(x))                           # (B, M, 2*h_lo*d)
        kv = kv.reshape(B, -1, 2, self.l_heads, self.d)
        k, v = kv.permute(2, 0, 3, 1, 4)                       # (B, h_lo, M, d)
        out, weights = attention(q, k, v, need_weights)        # as q  -- Lo-Fi
        out = out.transpose(1, 2).reshape(B, H, W, self.l_dim)
        return self.l_proj(out), weights

    def pool(self, x: Tensor) -> Tensor:
        """Mean of each window, (B, H, W, C) to (B, M, C): the blurred map."""
        maps = x.permute(0, 3, 1, 2)                           # (B, C, H, W)
        means = F.avg_pool2d(maps, self.s)                     # -- pooling
        return means.flatten(2).transpose(1, 2)                # (B, M, C)

    def check_map(self, N: int, H: int, W: int) -> None:
        """Refuse a map that has other than N tokens or that s does not divide."""
        if H * W != N:
            raise ValueError(f"{N} tokens are no {H} x {W} map; drop a class token")
        if H % self.s or W % self.s:
            raise ValueError(
                f"the map is {H} x {W}; pad it to a multiple of the window's "
                f"side {self.s}, or choose a window_size that divides both"
            )

    def flops(self, H: int, W: int) -> int:
        """Multiply-adds for one image, linear maps and pairs of both branches.

        Sides are rounded up to whole windows, as the official count does.
        """
        M = math.ceil(H / self.s) * math.ceil(W / self.s)
        N = M * self.s**2
        hi_linear = N * self.dim * 3 * self.h_dim + N * self.h_dim**2
        hi_pairs = 2 * M * self.s**4 * self.h_dim  # -- Hi-Fi pairs
        lo_linear = (N + 2 * M) * self.dim * self.l_dim + N * self.l_dim**2
        lo_pairs = 2 * N * M * self.l_dim  # -- Lo-Fi pairs
        return hi_linear + hi_pairs + lo_linear + lo_pairs


@torch.no_grad()
def from_plain(
    qkv: nn.Linear, num_heads: int, window_size: int = 2, alpha: float = 0.9
) -> HiLo:
    """A plain attention's trained heads, shared out: the first to Hi-Fi, in order.

    qkv: C to 3C, queries, keys and values of all heads. The output maps are the
    identity, since the plain layer's would mix heads of both branches.
    """
    bias = qkv.bias is not None
    layer = HiLo(qkv.in_features, num_heads, window_size, alpha, bias).to(qkv.weight)
    for name in ("weight", "bias") if bias else ("weight",):
        rows = getattr(qkv, name).unflatten(0, (3, num_heads, layer.d))  # (3, h, d, …)
        high, low = rows.split([layer.h_heads, layer.l_heads], dim=1)
        if layer.h_heads:
            getattr(layer.h_qkv, name).copy_(high.flatten(0, 2))
        if layer.l_heads:
            getattr(layer.l_q, name).copy_(low[0].flatten(0, 1))
            getattr(layer.l_kv, name).copy_(low[1:].flatten(0, 2))
    for proj in (getattr(layer, n, None) for n in ("h_proj", "l_proj")):
        if proj is not None:
            nn.init.eye_(proj.weight)
            nn.init.zeros_(proj.bias)
    return layer


def check_sizes(dim: int, num_heads: int, window_size: int, alpha: float) -> None:
    """Refuse a layer that cannot be built, and say what to change."""
    if dim % num_heads:
        raise ValueError(f"dim {dim} must be a multiple of num_heads {num_heads}")
    if window_size < 1:
        raise ValueError(f"window_size is {window_size}; use 1 or more")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}; it is a share of heads, from 0 to 1")
