"""MoCo v3: no queue, a predictor, and a frozen patch projection that steadies ViTs.

Paper:    Chen, Xie & He, "An Empirical Study of Training Self-Supervised Vision
          Transformers", ICCV 2021, arXiv 2104.02057
Differs:  1. the ViT of `build` keeps the initial weights of `vit`; upstream draws the
             query, key and value maps and the patch projection from uniform ranges
          2. one process: the paper's batch norm over all devices is the caller's
             (`nn.SyncBatchNorm`); the loss itself takes keys from all processes
          3. the views are BYOL's, as the paper has them, with what differs there
          4. `training_step` moves the momentum at every step; upstream can also keep
             it for an epoch
Checked:  facebookresearch/moco-v3@c349e6e: loss and gradients, and three optimiser
          steps of the whole model, to 1e-9

Shapes:   B images, W processes, D embedding width, N patches
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls import byol
from reference_impls.byol import cosine_tau, ema_update
from reference_impls.moco import last_layer
from reference_impls.simclr import gather, own_rows
from reference_impls.vit import ViT, patch_tokens


@dataclass(frozen=True)
class Config:
    """ViT-B/16 for 300 epochs."""

    dim: int = 256                 # D
    mlp_dim: int = 4096            # hidden width of projector and predictor
    T: float = 0.2                 # temperature; 1.0 for ResNet-50
    m: float = 0.99                # of the momentum encoder, cosine to 1
    projector_layers: int = 3      # 2 for ResNet-50
    predictor_norm: bool = True    # batch norm on its output; False for ResNet-50
    batch: int = 4096
    epochs: int = 300
    warmup_epochs: int = 40
    lr: float = 1.5e-4             # times batch / 256; AdamW, cosine
    weight_decay: float = 0.1
    img_size: int = 224
    patch_size: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12


TINY = Config(
    dim=64, mlp_dim=256, m=0.97, batch=32, img_size=64, patch_size=8, width=192,
    depth=6, heads=6,
)


def views(images: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """BYOL's two views of a batch: (B, 3, H, W) in [0, 1] to two (B, 3, H, H)."""
    return byol.views(images, generator)


# The loss (Eq. 1, Algorithm 1)


def ctr(q: Tensor, k: Tensor, temperature: float) -> Tensor:
    """Pick the key of one's own image out of the whole batch's: (B, D) twice to ().

    The factor makes the gradient's size independent of the temperature.
    """
    # Cosines divided by a small temperature do not survive half precision.
    with torch.autocast(q.device.type, enabled=False):
        dtype = torch.promote_types(q.dtype, torch.float32)
        q = F.normalize(q.to(dtype), dim=1) / temperature
        k = gather(F.normalize(k.detach().to(dtype), dim=1))    # (W B, D)  -- all keys
        logits = q @ k.T                                        # (B, W B)  -- logits
        return 2 * temperature * F.cross_entropy(logits, own_rows(q))  # ()  -- ctr


def moco_v3_loss(
    q1: Tensor, q2: Tensor, k1: Tensor, k2: Tensor, temperature: float = 0.2
) -> Tensor:
    """Each view's query against the other view's keys; a sum, not a mean.

    All (B, D), not normalised; index i is view i. No gradient reaches the keys.
    """
    if not q1.shape == q2.shape == k1.shape == k2.shape or q1.ndim != 2:
        raise ValueError(
            f"queries {tuple(q1.shape)}, {tuple(q2.shape)} and keys {tuple(k1.shape)}, "
            f"{tuple(k2.shape)} differ; all are (B, D)"
        )
    if temperature <= 0:
        raise ValueError(f"temperature {temperature} must be above 0")
    return ctr(q1, k2, temperature) + ctr(q2, k1, temperature)  # ()  -- symmetrised


# The networks (Sec. 3)


def mlp(layers: int, ins: int, hidden: int, dim: int, norm: bool) -> nn.Sequential:
    """Linear maps without bias, batch norm and ReLU between; `norm`: on the output too.

    The last batch norm has neither scale nor offset.
    """
    widths = [ins] + [hidden] * (layers - 1)
    found: list[nn.Module] = []
    for width in widths[:-1]:
        found += [nn.Linear(width, hidden, bias=False), nn.BatchNorm1d(hidden)]
        found += [nn.ReLU()]
    found += [nn.Linear(widths[-1], dim, bias=False)]
    return nn.Sequential(*found, *[nn.BatchNorm1d(dim, affine=False)] * norm)


class MoCoV3(nn.Module):
    """Base encoder, predictor, and momentum encoder.

    base_encoder: builds a network whose last layer, `fc` or `head`, is a Linear; the
    projector takes its place. The defaults are ResNet-50's, `Config` has the ViT's.
    """

    def __init__(
        self,
        base_encoder: Callable[[int], nn.Module],
        dim: int = 256,
        mlp_dim: int = 4096,
        T: float = 1.0,
        m: float = 0.99,
        projector_layers: int = 2,
        predictor_norm: bool = False,
    ):
        super().__init__()
        self.T, self.m = T, m
        self.base_encoder = base_encoder(mlp_dim)
        name = last_layer(self.base_encoder)
        width = getattr(self.base_encoder, name).in_features
        projector = mlp(projector_layers, width, mlp_dim, dim, norm=True)
        setattr(self.base_encoder, name, projector)
        self.momentum_encoder = copy.deepcopy(self.base_encoder).requires_grad_(False)
        self.predictor = mlp(2, dim, mlp_dim, dim, norm=predictor_norm)

    @property
    def encoder(self) -> nn.Module:
        """What is kept after training: the base encoder, without its projector."""
        return self.base_encoder

    def embed(
        self, x1: Tensor, x2: Tensor, m: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Two views to queries q1, q2 and keys k1, k2, (B, D) each.

        The momentum encoder moves after the queries, before the keys. Its batch
        statistics are its own, so it stays in training mode.
        """
        q1 = self.predictor(self.base_encoder(x1))              # (B, D)  -- q1
        q2 = self.predictor(self.base_encoder(x2))              # (B, D)  -- q2
        with torch.no_grad():
            ema_update(self.momentum_encoder, self.base_encoder, m)  # -- momentum
            k1 = self.momentum_encoder(x1)                      # (B, D)  -- k1
            k2 = self.momentum_encoder(x2)                      # (B, D)  -- k2
        return q1, q2, k1, k2

    def forward(self, x1: Tensor, x2: Tensor, m: float) -> Tensor:
        """Two views, and this step's momentum, to the loss."""
        return moco_v3_loss(*self.embed(x1, x2, m), self.T)


# Training a ViT (Sec. 4)


def sincos_pos_embed(h: int, w: int, dim: int) -> Tensor:
    """Fixed positions (1, 1 + N, D): half the channels for the row, half the column.

    In a half, sines come before cosines. The class token's row is zero.
    """
    if dim % 4:
        raise ValueError(f"width {dim} must be a multiple of 4")
    quarter = dim // 4
    omega = 10000.0 ** -(torch.arange(quarter) / quarter)       # (D/4,)  -- omega
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    y = rows.flatten()[:, None] * omega                         # (N, D/4)
    x = columns.flatten()[:, None] * omega                      # (N, D/4)
    table = torch.cat([y.sin(), y.cos(), x.sin(), x.cos()], 1)  # (N, D)  -- positions
    return F.pad(table, (0, 0, 1, 0))[None]                     # (1, 1 + N, D)


def build(config: Config = TINY) -> MoCoV3:
    """A whole training model around a ViT with the paper's two frozen parts."""

    def base_encoder(classes: int) -> ViT:
        encoder = ViT(
            config.img_size, config.patch_size, config.width, config.depth, config.heads
        )
        table = sincos_pos_embed(encoder.grid, encoder.grid, config.width)
        encoder.pos_embed = nn.Parameter(table, requires_grad=False)
        encoder.patch_embed.requires_grad_(False)               # -- frozen projection
        encoder.head = nn.Linear(config.width, classes)
        return encoder

    return MoCoV3(
        base_encoder, config.dim, config.mlp_dim, config.T, config.m,
        config.projector_layers, config.predictor_norm,
    )


def training_step(
    model: MoCoV3, batch: tuple[Tensor, Tensor], step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss, and what to watch: `spread` falls to 0 in a collapse."""
    m = float(cosine_tau(step, steps, model.m))                 # -- schedule of m
    q1, q2, k1, k2 = model.embed(*batch, m)
    loss = moco_v3_loss(q1, q2, k1, k2, model.T)
    return loss, {"loss": loss.item(), "spread": byol.feature_spread(k1), "m": m}


def features(model: MoCoV3, images: Tensor) -> Tensor:
    """Patch tokens of the base encoder. images: (B, 3, H, W), normalised.

    Returns (B, N, width).
    """
    return patch_tokens(model.encoder, images)
