"""Registers: spare tokens to compute with, so that no patch has to serve as scratch.

Paper:    Darcet, Oquab, Mairal & Bojanowski, "Vision Transformers Need Registers",
          ICLR 2024, arXiv 2309.16588
Differs:  1. the paper trains DeiT III, OpenCLIP and DINOv2 with registers; `build` is
             DINOv2's training, the other two take `RegisterViT` as their network
          2. `places` chooses between the official arrangement of position embeddings
             and timm's two
          3. files without `mask_token` load too: timm's and supervised ones have none
          4. the analysis of outliers follows the text; its code was not released
Checked:  facebookresearch/dinov2@b8931f7 and timm 1.0.31: tokens to 2e-5; outliers and
          neighbours: two independent computations, to 1e-5

Shapes:   B images, h x w = N patches, R registers, T = 1 + R + N tokens, D width
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_impls import dinov2
from reference_impls.dinov2 import (
    DinoVisionTransformer,
    after_step,
    features,
    training_step,
    views,
)
from reference_impls.vit import Interpolation

__all__ = [
    "TINY", "Config", "RegisterViT", "after_step", "build", "features",
    "neighbor_cosine", "outlier_tokens", "training_step", "views",
]


@dataclass(frozen=True)
class Config(dinov2.Config):
    """DINOv2's recipe; only the registers are new (Sec. 2.2)."""

    num_registers: int = 4       # R
    cutoff: float = 150.0        # norm of an outlier; for DINOv2's ViT-g alone


TINY = Config(**asdict(dinov2.TINY))


# The network (Sec. 2.2)


class RegisterViT(DinoVisionTransformer):
    """A ViT with R learned tokens between the class token and the patches.

    They have no position, take part in every layer, and are dropped at the output:
    patches start at `num_prefix` = 1 + R. Loads official and timm's files. places: who
    has a row in `pos_embed`: the class token and patches, as in the official files;
    patches alone (timm's `no_embed_class`); or all tokens (timm without it).
    """

    interpolation: Interpolation = "bicubic_antialias"

    def __init__(
        self,
        img_size: int = 224,
        patch_size: int = 14,
        embed_dim: int = 384,
        depth: int = 12,
        num_heads: int = 6,
        mlp_ratio: float = 4.0,
        num_registers: int = 4,
        init_values: float | None = 1e-5,
        drop_path: float = 0.0,
        places: Literal["class and patches", "patches", "all"] = "class and patches",
    ):
        super().__init__(
            img_size, patch_size, embed_dim, depth, num_heads, mlp_ratio, init_values,
            drop_path,
        )
        if num_registers < 1:
            raise ValueError(
                f"{num_registers} registers; without one this is "
                "dinov2.DinoVisionTransformer"
            )
        self.register_tokens = nn.Parameter(torch.empty(1, num_registers, embed_dim))
        nn.init.normal_(self.register_tokens, std=1e-6)
        self.num_prefix = 1 + num_registers
        if places != "class and patches":
            rows = self.grid**2 + (self.num_prefix if places == "all" else 0)
            self.pos_embed = nn.Parameter(torch.randn(1, rows, embed_dim) * 0.02)
        self.register_load_state_dict_pre_hook(accept_other_files)

    def positions(self, hw: tuple[int, int]) -> Tensor:
        """Rows of the class token, if it has one, and patches: (1, N or N + 1, D)."""
        table, N = super().positions(hw), hw[0] * hw[1]
        return torch.cat([table[:, :-N][:, :1], table[:, -N:]], dim=1)

    def embed(self, x: Tensor, masks: Tensor | None = None) -> Tensor:
        """(B, 3, H, W) to the tokens class, registers, patches: (B, T, D)."""
        tokens = super().embed(x, masks)                 # (B, 1 + N, D)  -- with E_pos
        registers: Tensor = self.register_tokens         # (1, R, D)  -- r
        places = self.pos_embed[:, 1 : -self.grid**2]    # (1, R or 0, D)
        if places.shape[1]:
            registers = registers + places
        registers = registers.expand(len(x), -1, -1)     # (B, R, D)
        return torch.cat([tokens[:, :1], registers, tokens[:, 1:]], dim=1)  # -- insert


def accept_other_files(
    module: nn.Module, state: dict[str, Any], prefix: str, *_: Any
) -> None:
    """Read timm's `reg_token`; a file without a mask token leaves the module's own."""
    if f"{prefix}reg_token" in state:
        state[f"{prefix}register_tokens"] = state.pop(f"{prefix}reg_token")
    state.setdefault(f"{prefix}mask_token", module.get_parameter("mask_token"))


# The artefact that registers cure (Sec. 2.1)


def outlier_tokens(
    tokens: Tensor, cutoff: float = 150.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Patches of very large norm: where a network without registers keeps its notes.

    tokens: (B, N, D), patches alone, from the last layer. The cutoff belongs to one
    model: look at a histogram of the norms first. Returns norms (B, N), which are
    outliers (B, N), and the share of all tokens that is, ().
    """
    if tokens.ndim != 3:
        raise ValueError(f"tokens are {tuple(tokens.shape)}; give patches, (B, N, D)")
    norms = tokens.norm(dim=-1)                          # (B, N)  -- norm
    mask = norms > cutoff                                # (B, N)  -- outlier
    return norms, mask, mask.to(norms.dtype).mean()      # -- share


def neighbor_cosine(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """How much each patch resembles the 2 to 4 beside it: mean cosine (Fig. 5a).

    tokens: (B, N, D), in the paper right behind the patch embedding, where outliers
    turn out to be redundant. grid: (rows, columns). Returns (B, N).
    """
    h, w = grid
    if tokens.ndim != 3 or tokens.shape[1] != h * w or h * w < 2:
        raise ValueError(
            f"tokens of shape {tuple(tokens.shape)} are no grid of {h}x{w} patches; "
            "drop the class token and registers, give (B, h*w, D)"
        )
    x = F.normalize(tokens, dim=-1).unflatten(1, (h, w))     # (B, h, w, D)
    beside = (x[:, :, 1:] * x[:, :, :-1]).sum(-1)            # (B, h, w-1)  -- cosine
    below = (x[:, 1:] * x[:, :-1]).sum(-1)                   # (B, h-1, w)

    def collect(beside: Tensor, below: Tensor) -> Tensor:
        """Give each pair's number to both of its patches. (B, h, w)."""
        rows = F.pad(beside, (0, 1)) + F.pad(beside, (1, 0))
        return rows + F.pad(below, (0, 0, 0, 1)) + F.pad(below, (0, 0, 1, 0))

    neighbours = collect(torch.ones_like(beside), torch.ones_like(below))
    return (collect(beside, below) / neighbours).flatten(1)  # (B, N)  -- mean


# Training


def build(config: Config = TINY) -> dinov2.DINOv2:
    """DINOv2's training model, its two networks with registers."""
    c = config
    backbone = RegisterViT(
        c.img_size, c.patch_size, c.width, c.depth, c.heads,
        num_registers=c.num_registers, init_values=c.init_values, drop_path=c.drop_path,
    )
    return dinov2.with_heads(backbone, c)
