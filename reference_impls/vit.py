"""ViT: cut the image into patches, call them words, and run a plain transformer.

Paper:    Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image
          Recognition at Scale", ICLR 2021, arXiv 2010.11929
Differs:  1. no dropout: the paper's 0.1 belongs to its training from scratch
          2. GELU is exact by default; `gelu="tanh"` is the approximation that the
             official Flax code runs (same weights, logits 3e-4 apart on a tiny net)
          3. no tanh layer before the classifier: the paper drops it to fine-tune
          4. any image size whose sides are multiples of the patch, position embeddings
             interpolated on the fly; the official code converts the checkpoint once
Checked:  google-research/vision_transformer@c6de1e5 and timm 1.0.31: logits to 1e-5;
          big_vision@0127fb6 (sin-cos positions); probing-vits (attention distance)

Shapes:   B images, H x W pixels, P patch side, N = HW/P^2 patches, T tokens (N and
          the prefix), D width, h heads, d = D/h, K classes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Positions = Literal["1d", "2d", "sincos2d", "none"]
Pooling = Literal["cls", "gap"]
Interpolation = Literal["bilinear_corners", "bicubic_antialias", "bicubic", "dino"]


@dataclass(frozen=True)
class Config:
    """ViT-B/16 (Tab. 1)."""

    img_size: int = 224
    patch_size: int = 16
    dim: int = 768        # D
    depth: int = 12
    heads: int = 12       # h
    mlp_ratio: float = 4.0
    num_classes: int = 1000


TINY = Config(img_size=64, patch_size=8, dim=192, depth=6, heads=6, num_classes=0)


class PatchEmbed(nn.Module):
    """Patches to tokens: x_p E, one linear map for all (Eq. 1).

    A convolution whose stride is its kernel multiplies each flattened patch by E.
    """

    def __init__(self, patch_size: int, dim: int, in_chans: int = 3):
        super().__init__()
        self.patch_size = patch_size
        self.proj = nn.Conv2d(in_chans, dim, patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, N, D), patches row by row."""
        H, W = x.shape[-2:]
        if H % self.patch_size or W % self.patch_size:
            raise ValueError(
                f"image is {H}x{W}; crop or resize it so that both sides are multiples "
                f"of the patch size {self.patch_size}"
            )
        x = self.proj(x)                     # (B, D, H/P, W/P)  -- x_p E
        return x.flatten(2).transpose(1, 2)  # (B, N, D)


class Attention(nn.Module):
    """Multi-head self-attention, MSA (appendix A)."""

    def __init__(self, dim: int, heads: int, qkv_bias: bool = True):
        super().__init__()
        if dim % heads:
            raise ValueError(f"width {dim} does not divide into {heads} heads")
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)

    def forward(
        self, x: Tensor, need_weights: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """(B, T, D) to (B, T, D), and the weights (B, h, T, T) where asked for."""
        B, T, D = x.shape
        qkv = self.qkv(x).view(B, T, 3, self.heads, D // self.heads)  # -- q, k, v
        q, k, v = qkv.permute(2, 0, 3, 1, 4)          # each (B, h, T, d)
        weights = None
        if need_weights or slow_back(q):
            scores = q * q.shape[-1] ** -0.5 @ k.mT   # (B, h, T, T)  -- scores
            weights = scores.softmax(dim=-1)          # (B, h, T, T)  -- A
            mixed = weights @ v                       # (B, h, T, d)  -- A v
        else:  # the same, and A never lies in memory
            mixed = F.scaled_dot_product_attention(q, k, v)
        out = self.proj(mixed.transpose(1, 2).reshape(B, T, D))  # (B, T, D)  -- W_o
        return out, weights if need_weights else None


def slow_back(q: Tensor) -> bool:
    """Whether the fused kernel's gradient would take twice the time of both products.

    So it is on a CPU in bfloat16; without gradients the kernel is faster there too.
    """
    return q.is_cpu and q.dtype == torch.bfloat16 and q.requires_grad


class Mlp(nn.Module):
    """Two layers with a GELU between them, applied to each token alone."""

    def __init__(self, dim: int, hidden: int, gelu: Literal["erf", "tanh"] = "erf"):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = nn.GELU(approximate="tanh" if gelu == "tanh" else "none")
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    """One encoder layer: norm, attend, add; norm, think, add (Eq. 2 and 3)."""

    def __init__(
        self,
        dim: int,
        heads: int,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        gelu: Literal["erf", "tanh"] = "erf",
        eps: float = 1e-6,
    ):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.attn = Attention(dim, heads, qkv_bias)
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), gelu)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        x = x + self.attn(self.norm1(x))[0]   # -- z' = MSA(LN(z)) + z
        return x + self.mlp(self.norm2(x))    # -- z = z' + MLP(LN(z'))

    def attend(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and this layer's attention weights (B, h, T, T) beside it."""
        mixed, weights = self.attn(self.norm1(x), need_weights=True)
        x = x + mixed
        return x + self.mlp(self.norm2(x)), weights


def learned_2d_pos_embed(x_table: Tensor, y_table: Tensor) -> Tensor:
    """Half the channels say the column, half the row (appendix D.4).

    x_table: (W/P, D/2), y_table: (H/P, D/2). Returns (1, N, D), row by row.
    """
    w, h = len(x_table), len(y_table)
    columns = x_table.expand(h, w, -1)                 # (h, w, D/2)
    rows = y_table[:, None].expand(h, w, -1)           # (h, w, D/2)
    return torch.cat([columns, rows], dim=-1).flatten(0, 1)[None]  # (1, N, D)


def sincos_2d_pos_embed(h: int, w: int, dim: int, temperature: float = 1e4) -> Tensor:
    """Fixed positions of the same authors' later code: [sin x, cos x, sin y, cos y].

    Returns (1, h*w, D). The exponent's denominator is D/4 - 1; MAE and MoCo v3 use D/4.
    """
    if dim % 4 or dim < 8:
        raise ValueError(f"width {dim} must be a multiple of 4, and 8 or more")
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    omega = temperature ** -torch.linspace(0, 1, dim // 4)         # (D/4,)
    x, y = x.flatten()[:, None] * omega, y.flatten()[:, None] * omega  # (N, D/4)
    return torch.cat([x.sin(), x.cos(), y.sin(), y.cos()], dim=1)[None]  # (1, N, D)


def resampling(old: int, new: int, mode: Interpolation, like: Tensor) -> Tensor:
    """How much of each old row a new row takes: (new, old).

    Interpolation is linear, so what it makes of the unit vectors says everything.
    """
    eye = torch.eye(old).to(like)[None, None]         # (1, 1, old, old)
    if mode == "bilinear_corners":
        size = (new, old)
        rows = F.interpolate(eye, size=size, mode="bilinear", align_corners=True)
    elif mode == "dino":
        scale = ((new + 0.1) / old, 1.0)
        rows = F.interpolate(eye, scale_factor=scale, mode="bicubic")
    elif mode in ("bicubic", "bicubic_antialias"):
        antialias = mode == "bicubic_antialias"
        rows = F.interpolate(eye, size=(new, old), mode="bicubic", antialias=antialias)
    else:
        raise ValueError(f"unknown interpolation {mode!r}; choose from {Interpolation}")
    return rows[0, 0]


def interpolate_pos_embed(
    pos_embed: Tensor,
    new_hw: tuple[int, int],
    num_prefix: int = 1,
    mode: Interpolation = "bicubic_antialias",
    old_hw: tuple[int, int] | None = None,
) -> Tensor:
    """Position embeddings of one grid, resampled for another (Sec. 3.2).

    pos_embed: (1, prefix + N, D). Returns (1, prefix + N', D); prefix rows unchanged.
    mode: `bilinear_corners` is the official code's, `bicubic_antialias` timm's and
    DINOv2's, `bicubic` DeiT's, `dino` DINO's (it aims at a grid larger by 0.1).
    """
    prefix, grid = pos_embed[:, :num_prefix], pos_embed[:, num_prefix:]
    h, w = old_hw or (int(grid.shape[1] ** 0.5),) * 2
    if h * w != grid.shape[1]:
        raise ValueError(
            f"{grid.shape[1]} positions are no square grid; say old_hw=(rows, columns) "
            f"or check num_prefix={num_prefix}"
        )
    if (h, w) == tuple(new_hw):
        return pos_embed
    rows, columns = (
        resampling(old, new, mode, pos_embed)
        for old, new in zip((h, w), new_hw, strict=True)
    )
    with torch.autocast(pos_embed.device.type, enabled=False):
        grid = rows @ grid.unflatten(1, (h, w)).flatten(2)     # (1, h', w*D)
        grid = columns @ grid.unflatten(2, (w, -1))            # (1, h', w', D)
    return torch.cat([prefix, grid.flatten(1, 2)], dim=1)


class ViT(nn.Module):
    """The whole: patches, class token, positions, L blocks, norm, linear head.

    class_token: only with `pool="cls"`, unless said; a mean never takes it in.
    """

    interpolation: Interpolation = "bicubic_antialias"

    def __init__(
        self,
        img_size: int = 224,
        patch_size: int = 16,
        dim: int = 768,
        depth: int = 12,
        heads: int = 12,
        mlp_ratio: float = 4.0,
        num_classes: int = 0,
        pool: Pooling = "cls",
        pos: Positions = "1d",
        gelu: Literal["erf", "tanh"] = "erf",
        qkv_bias: bool = True,
        class_token: bool | None = None,
    ):
        super().__init__()
        if img_size % patch_size:
            raise ValueError(
                f"image side {img_size} is no multiple of the patch size {patch_size}"
            )
        self.pool, self.patch_size = pool, patch_size
        self.num_prefix = int(pool == "cls" if class_token is None else class_token)
        self.grid = img_size // patch_size
        self.patch_embed = PatchEmbed(patch_size, dim)
        if self.num_prefix:
            self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self._init_positions(pos, dim)
        self.blocks = nn.ModuleList(
            Block(dim, heads, mlp_ratio, qkv_bias, gelu) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, num_classes) if num_classes else nn.Identity()
        self._init_weights()

    def _init_positions(self, pos: Positions, dim: int) -> None:
        self.pos, g = pos, self.grid
        if pos == "1d":
            rows = self.num_prefix + g * g
            self.pos_embed = nn.Parameter(torch.randn(1, rows, dim) * 0.02)
        elif pos == "2d":
            self.pos_x = nn.Parameter(torch.randn(g, dim // 2) * 0.02)
            self.pos_y = nn.Parameter(torch.randn(g, dim // 2) * 0.02)
        elif pos == "sincos2d":
            fixed = sincos_2d_pos_embed(g, g, dim)
            self.register_buffer("pos_embed", fixed, persistent=False)
        elif pos != "none":
            raise ValueError(f"pos={pos!r}; choose from {Positions}")

    def _init_weights(self) -> None:
        """Linear maps small and normal, biases zero; a new head starts at zero."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if self.num_prefix:
            nn.init.normal_(self.cls_token, std=0.02)
        if isinstance(self.head, nn.Linear):
            nn.init.zeros_(self.head.weight)

    def positions(self, hw: tuple[int, int]) -> Tensor:
        """E_pos for a grid of hw patches: (1, N, D), or one row more for the class."""
        if self.pos == "none":
            return self.norm.weight.new_zeros(1, hw[0] * hw[1], len(self.norm.weight))
        two = self.pos == "2d"
        table = learned_2d_pos_embed(self.pos_x, self.pos_y) if two else self.pos_embed
        prefix = table.shape[1] - self.grid**2
        return interpolate_pos_embed(
            table, hw, prefix, self.interpolation, (self.grid, self.grid)
        )

    def embed(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to z_0: (B, T, D) (Eq. 1)."""
        hw = (x.shape[-2] // self.patch_size, x.shape[-1] // self.patch_size)
        x = self.patch_embed(x)                                # (B, N, D)
        N, positions = x.shape[1], self.positions(hw)
        x = x + positions[:, -N:]                              # (B, N, D)  -- + E_pos
        if self.num_prefix:
            # Its own place is the row in front; a table without one gives zero.
            place = positions[:, :-N].sum(1, keepdim=True)     # (1, 1, D)
            cls = (self.cls_token + place).expand(len(x), -1, -1)
            x = torch.cat([cls, x], dim=1)                     # (B, T, D)  -- x_class
        return x

    def forward_features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to the tokens after the final norm, (B, T, D)."""
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)                        # (B, T, D)  -- LN(z_L)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to logits (B, K), or features (B, D) without a head (Eq. 4)."""
        tokens = self.forward_features(x)
        mean = tokens[:, self.num_prefix:].mean(1)
        y = tokens[:, 0] if self.pool == "cls" else mean           # (B, D)  -- y
        return self.head(y)

    def get_attention(self, x: Tensor) -> list[Tensor]:
        """Each layer's weights, (B, h, T, T); the class token's row comes first."""
        x, maps = self.embed(x), []
        for block in self.blocks:
            x, weights = block.attend(x)
            maps.append(weights)
        return maps


@torch.no_grad()
def patch_tokens(encoder: nn.Module, images: Tensor) -> Tensor:
    """The tokens of the patches alone, after the final norm.

    encoder: a ViT. images: (B, 3, H, W), normalised. Returns (B, N, D).
    """
    if not isinstance(encoder, ViT):
        raise ValueError("only a ViT has patch tokens; make the model with `build`")
    return encoder.forward_features(images)[:, encoder.num_prefix:]


# Looking inside (Fig. 7)


def mean_attention_distance(
    attn: Tensor,
    grid: tuple[int, int],
    patch_size: int,
    num_prefix: int = 1,
    renormalize: bool = False,
) -> Tensor:
    """How far each head looks, in pixels (Fig. 7, right).

    attn: (B, h, T, T). Returns (B, h): attention-weighted distance between patch
    centres, averaged over queries. Dropping the class token leaves rows that sum to
    less than 1; `renormalize` makes them whole.
    """
    gh, gw = grid
    attn = attn[..., num_prefix:, num_prefix:]                    # (B, h, N, N)
    if attn.shape[-1] != gh * gw:
        raise ValueError(
            f"attention over {attn.shape[-1]} patches does not fit the grid {gh}x{gw}"
        )
    if renormalize:
        attn = attn / attn.sum(-1, keepdim=True)
    y, x = torch.meshgrid(torch.arange(gh), torch.arange(gw), indexing="ij")
    centres = torch.stack([y, x], -1).flatten(0, 1).to(attn)      # (N, 2)
    offsets = centres[:, None] - centres[None]                    # (N, N, 2)
    pixels = patch_size * offsets.norm(dim=-1)                    # (N, N)  -- distance
    return (attn * pixels).sum(-1).mean(-1)                       # (B, h)  -- d_h


def pos_embed_similarity(
    pos_embed: Tensor, grid: tuple[int, int], num_prefix: int = 1
) -> Tensor:
    """Cosine between all pairs of positions, as a map for each patch (Fig. 7, centre).

    pos_embed: (1, prefix + N, D). Returns (gh, gw, gh, gw).
    """
    unit = F.normalize(pos_embed[0, num_prefix:], dim=-1)         # (N, D)
    return (unit @ unit.T).view(*grid, *grid)                     # -- cosine


def patch_embed_pca(weight: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Principal components of the D patch filters (Fig. 7, left).

    weight: (D, 3, P, P). Returns components (k, 3, P, P), unit length, largest entry
    positive, and the share of variance each explains (k,).
    """
    filters = weight.flatten(1)                                   # (D, 3PP)
    _, s, vh = torch.linalg.svd(filters - filters.mean(0), full_matrices=False)
    if k > len(vh):
        raise ValueError(f"{len(vh)} components exist; ask for k={len(vh)} or fewer")
    largest = vh.gather(1, vh.abs().argmax(1, keepdim=True))      # (3PP, 1)
    components = (vh * largest.sign())[:k]                        # (k, 3PP)
    ratio = s.square() / s.square().sum()
    return components.view(k, *weight.shape[1:]), ratio[:k]
