"""ConvNeXt V2: a convnet that learns by masking, once its channels must compete.

Paper:    Woo et al., "ConvNeXt V2: Co-designing and Scaling ConvNets with Masked
          Autoencoders", CVPR 2023, arXiv 2301.00808
Differs:  1. sparse convolutions are computed densely with removed sites set to zero
             wherever a bias could carry them to a visible one or into GRN's norm; the
             results are the same (a strided convolution never straddles two patches)
          2. GRN's norm is taken over each image in pretraining as in fine-tuning; the
             official sparse code pools all visible sites of the batch
             (`grn_over_batch=True`)
          3. GRN divides by the mean over channels, as code and Algorithm 1 do; Eq. 2
             writes the sum
          4. any number of stages: the side of a mask's patch is the total stride,
             32 pixels with four stages, 8 with TINY's two
          5. `noise` may be handed in, so that a mask can be repeated or drawn by hand
          6. stochastic depth is left to `drop_path`; no exponential moving average
Checked:  facebookresearch/ConvNeXt-V2@2553895: GRN, block and FCMAE to 1e-4 (there with
          an emulation of sparse convolution); timm 1.0.31: GRN and logits

Shapes:   B images, C channels, h x w sites, p patch side, N patches, K classes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls import mae
from reference_impls.mae import (
    Reconstruction,
    in_pixels,
    mae_loss,
    random_masking,
)


@dataclass(frozen=True)
class Config:
    """ConvNeXt V2-B and the recipe of its pretraining (appendix A)."""

    img_size: int = 224
    depths: tuple[int, ...] = (3, 3, 27, 3)
    dims: tuple[int, ...] = (128, 256, 512, 1024)
    decoder_embed_dim: int = 512
    decoder_depth: int = 1
    mask_ratio: float = 0.6
    norm_pix_loss: bool = True
    lr: float = 1.5e-4             # times batch / 256; AdamW, betas (0.9, 0.95)
    weight_decay: float = 0.05
    batch: int = 4096
    epochs: int = 1600             # 800 in the ablations
    warmup_epochs: int = 40


ATTO = Config(depths=(2, 2, 6, 2), dims=(40, 80, 160, 320))
TINY = Config(
    img_size=64, depths=(2, 4), dims=(96, 192), decoder_embed_dim=96, batch=64,
    lr=1.2e-3, norm_pix_loss=False,  # pixels as they are, as MAE's TINY
)


# Global response normalisation (Sec. 3.3)


class GRN(nn.Module):
    """Channels inhibit each other: loud ones are raised, quiet ones left behind.

    over_batch: take the norm over all images together.
    """

    def __init__(self, dim: int, eps: float = 1e-6, over_batch: bool = False):
        super().__init__()
        self.eps, self.dims = eps, (0, 1, 2) if over_batch else (1, 2)
        self.gamma = nn.Parameter(torch.zeros(1, 1, 1, dim))
        self.beta = nn.Parameter(torch.zeros(1, 1, 1, dim))

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) to the same; removed sites must be zero."""
        G = torch.linalg.vector_norm(x, dim=self.dims, keepdim=True)  # (B,1,1,C)  -- G
        N = G / (G.mean(dim=-1, keepdim=True) + self.eps)             # -- N
        return torch.addcmul(self.beta, x, 1 + self.gamma * N)        # -- calibrate

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any
    ) -> None:
        """Pretraining checkpoints store gamma and beta as (1, C)."""
        for name in ("gamma", "beta"):
            if (key := prefix + name) in state_dict:
                state_dict[key] = state_dict[key].view(1, 1, 1, -1)
        super()._load_from_state_dict(state_dict, prefix, *args)


def feature_cosine_distance(x: Tensor) -> Tensor:
    """How different the channels of an image are: 0 when collapsed, about 0.5 if not.

    The mean of (1 - cos) / 2 over all pairs of channels, each with itself too: over
    pairs, cosines add up to the squared length of the unit vectors' sum.
    x: (B, C, h, w). Returns (B,).
    """
    unit = F.normalize(x.flatten(2), dim=2)                     # (B, C, hw)
    cosine = unit.mean(dim=1).square().sum(dim=1)               # (B,)  -- mean cosine
    return (1 - cosine) / 2                                     # (B,)  -- distance


# The convnet (Sec. 3.4, Fig. 5)


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of (B, C, h, w)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtV2Block(nn.Module):
    """Look around by depthwise 7x7, then think four times as wide, with GRN inside.

    ConvNeXt's LayerScale is gone.
    """

    def __init__(self, dim: int, drop_path: float = 0.0, grn_over_batch: bool = False):
        super().__init__()
        self.drop_path = drop_path
        self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.act = nn.GELU()
        self.grn = GRN(4 * dim, over_batch=grn_over_batch)
        self.pwconv2 = nn.Linear(4 * dim, dim)

    def widen(self, x: Tensor, visible: Tensor | None = None) -> Tensor:
        """The block's wide channels once they have competed: (B, h, w, 4C)."""
        y = self.dwconv(x).permute(0, 2, 3, 1)                  # (B, h, w, C)
        y = self.act(self.pwconv1(self.norm(y)))               # (B, h, w, 4C)  -- widen
        if visible is not None:
            y = y * visible.permute(0, 2, 3, 1)                 # -- mask before GRN
        return self.grn(y)

    def forward(self, x: Tensor, visible: Tensor | None = None) -> Tensor:
        """(B, C, h, w) to the same. visible: (B, 1, h, w), 1 where a site exists."""
        y = self.pwconv2(self.widen(x, visible))               # (B, h, w, C)  -- narrow
        y = y.permute(0, 3, 1, 2)                               # (B, C, h, w)
        if visible is not None:
            y = y * visible                                     # -- mask after biases
        if self.drop_path and self.training:
            keep = y.new_empty(len(y), 1, 1, 1).bernoulli_(1 - self.drop_path)
            y = y * keep / (1 - self.drop_path)                 # -- stochastic depth
        return y + x                                            # -- residual


class Encoder(nn.Module):
    """Stages of blocks; the sites halve in number along each side between them."""

    def __init__(
        self,
        in_chans: int = 3,
        depths: Sequence[int] = (3, 3, 9, 3),
        dims: Sequence[int] = (96, 192, 384, 768),
        drop_path_rate: float = 0.0,
        grn_over_batch: bool = False,
    ):
        super().__init__()
        if len(depths) != len(dims):
            raise ValueError(f"depths {depths} and dims {dims}: one of each a stage")
        stem = nn.Sequential(
            nn.Conv2d(in_chans, dims[0], 4, stride=4), LayerNorm2d(dims[0], eps=1e-6)
        )
        between = [
            nn.Sequential(LayerNorm2d(a, eps=1e-6), nn.Conv2d(a, b, 2, stride=2))
            for a, b in pairwise(dims)
        ]
        self.downsample_layers = nn.ModuleList([stem, *between])
        rates = torch.linspace(0, drop_path_rate, sum(depths)).tolist()
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(ConvNeXtV2Block(dim, rates.pop(0), grn_over_batch) for _ in range(n))
            )
            for n, dim in zip(depths, dims, strict=True)
        )
        self.stride = 4 * 2 ** (len(dims) - 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, C): the mean over the last stage's sites."""
        return self.encode(x).mean(dim=(-2, -1))                # (B, C)  -- pool

    def encode(self, x: Tensor, visible: Tensor | None = None) -> Tensor:
        """(B, 3, H, W) to maps (B, C, H/stride, W/stride).

        visible: (B, 1, H/stride, W/stride), 1 for patches kept. Removed ones come out
        as zeros and have no influence on the others.
        """
        H, W = x.shape[-2:]
        if H % self.stride or W % self.stride:
            raise ValueError(
                f"image is {H}x{W}; crop or resize it so that both sides are multiples "
                f"of {self.stride}"
            )
        here = None
        for down, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = down(x)                                         # (B, C, h, w)
            if visible is not None:
                here = F.interpolate(visible, size=x.shape[-2:])  # -- upsampled mask
                x = x * here                                    # -- mask
            for block in stage.children():
                x = block(x, here)
        return x


class ConvNeXtV2(Encoder):
    """The classifier: encoder, mean over the sites, norm, linear head."""

    def __init__(
        self,
        in_chans: int = 3,
        num_classes: int = 1000,
        depths: Sequence[int] = (3, 3, 9, 3),
        dims: Sequence[int] = (96, 192, 384, 768),
        drop_path_rate: float = 0.0,
    ):
        super().__init__(in_chans, depths, dims, drop_path_rate)
        self.norm = nn.LayerNorm(dims[-1], eps=1e-6)
        self.head = nn.Linear(dims[-1], num_classes)
        self.apply(init_weights)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to logits (B, K)."""
        return self.head(self.norm(super().forward(x)))         # -- logits


def wide_channels(model: ConvNeXtV2, x: Tensor) -> list[Tensor]:
    """Every block's wide channels, (B, 4C, h, w), first to last.

    Where the authors saw features collapse. x: (B, 3, H, W).
    """
    seen = []
    for down, stage in zip(model.downsample_layers, model.stages, strict=True):
        x = down(x)
        for block in stage.children():
            seen.append(block.widen(x).permute(0, 3, 1, 2))     # (B, 4C, h, w)  -- wide
            x = block(x)
    return seen


def init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def from_timm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """timm's names for a `convnextv2_*` in ours, which are the official ones."""
    renames = (
        ("stem.", "downsample_layers.0."), (".downsample.", ".DOWN."),
        (".blocks.", "."), (".conv_dw.", ".dwconv."), (".mlp.fc1.", ".pwconv1."),
        (".mlp.fc2.", ".pwconv2."), (".mlp.grn.weight", ".grn.gamma"),
        (".mlp.grn.bias", ".grn.beta"), ("head.norm.", "norm."), ("head.fc.", "head."),
    )
    official = {}
    for name, value in state.items():
        for theirs, ours in renames:
            name = name.replace(theirs, ours)
        if ".DOWN." in name:
            _, stage, _, rest = name.split(".", 3)
            name = f"downsample_layers.{stage}.{rest}"
        # The small models keep their linear layers as 1x1 convolutions.
        official[name] = value.flatten(1) if value.shape[2:] == (1, 1) else value
    return official


# The fully convolutional masked autoencoder (Sec. 3.1 and 3.2)


class FCMAE(nn.Module):
    """Encoder over the visible sites; one block and a linear map paint the rest."""

    num_prefix = 0

    def __init__(
        self,
        img_size: int = 224,
        in_chans: int = 3,
        depths: Sequence[int] = (3, 3, 9, 3),
        dims: Sequence[int] = (96, 192, 384, 768),
        decoder_embed_dim: int = 512,
        decoder_depth: int = 1,
        mask_ratio: float = 0.6,
        norm_pix_loss: bool = True,
        grn_over_batch: bool = False,
    ):
        super().__init__()
        self.encoder = Encoder(in_chans, depths, dims, 0.0, grn_over_batch)
        self.patch_size = p = self.encoder.stride
        if img_size % p:
            raise ValueError(f"image side {img_size} is no multiple of the stride {p}")
        self.mask_ratio, self.norm_pix_loss = mask_ratio, norm_pix_loss
        self.grid, M = img_size // p, decoder_embed_dim
        self.proj = nn.Conv2d(dims[-1], M, 1)
        self.mask_token = nn.Parameter(torch.zeros(1, M, 1, 1))
        self.decoder = nn.Sequential(
            *(ConvNeXtV2Block(M) for _ in range(decoder_depth))
        )
        self.pred = nn.Conv2d(M, p * p * in_chans, 1)
        self.apply(init_weights)
        nn.init.normal_(self.mask_token, std=0.02)

    def forward_encoder(
        self,
        imgs: Tensor,
        noise: Tensor | None = None,
        mask_ratio: float | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Images to maps (B, C, h, w), zero where removed, and the mask (B, N)."""
        B, p = len(imgs), self.patch_size
        h, w = imgs.shape[-2] // p, imgs.shape[-1] // p
        if noise is None:
            noise = torch.rand(B, h * w, device=imgs.device)
        ratio = self.mask_ratio if mask_ratio is None else mask_ratio
        if noise.shape != (B, h * w):
            raise ValueError(
                f"noise {tuple(noise.shape)} must have one number a patch: {(B, h * w)}"
            )
        _, mask, _ = random_masking(noise[..., None], ratio, noise)  # (B, N)  -- mask N
        visible = (1 - mask).view(B, 1, h, w).to(imgs.dtype)
        return self.encoder.encode(imgs, visible), mask.to(imgs.dtype)

    def forward_decoder(self, x: Tensor, mask: Tensor) -> Tensor:
        """Maps (B, C, h, w) and mask (B, N) to pixels (B, p*p*3, h, w)."""
        x = self.proj(x)                                        # (B, M, h, w)  -- W
        removed = mask.view(len(x), 1, *x.shape[-2:])
        x = torch.where(removed > 0, self.mask_token.to(x.dtype), x)  # -- mask token
        return self.pred(self.decoder(x))                       # -- pixels

    def loss(self, imgs: Tensor, pred: Tensor, mask: Tensor) -> Tensor:
        """Mean squared error on removed patches, as in MAE. pred: (B, p*p*3, h, w)."""
        rows = pred.flatten(2).mT                               # (B, N, p*p*3)
        return mae_loss(imgs, rows, mask, self.patch_size, self.norm_pix_loss)

    def forward(
        self,
        imgs: Tensor,
        noise: Tensor | None = None,
        mask_ratio: float | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) to (loss, prediction (B, p*p*3, h, w), mask (B, N))."""
        x, mask = self.forward_encoder(imgs, noise, mask_ratio)
        pred = self.forward_decoder(x, mask)
        return self.loss(imgs, pred, mask), pred, mask


# Training it


def views(images: Tensor, generator: Generator) -> Tensor:
    """A crop, mirrored half of the time: (B, 3, H, W) in [0, 1] to normalised pixels.

    Returns (B, 3, H, H).
    """
    how = mae.Config(img_size=images.shape[-2])
    return mae.views(images, generator, how)


def build(config: Config = TINY) -> FCMAE:
    """The model that a Config describes."""
    return FCMAE(
        config.img_size, 3, config.depths, config.dims, config.decoder_embed_dim,
        config.decoder_depth, config.mask_ratio, config.norm_pix_loss,
    )


def training_step(
    model: FCMAE, batch: Tensor, step: int = 0, steps: int = 1
) -> tuple[Tensor, dict[str, float]]:
    """Loss of one batch of crops; `diversity` falls towards 0 as channels collapse."""
    x, mask = model.forward_encoder(batch)
    loss = model.loss(batch, model.forward_decoder(x, mask), mask)
    diversity = feature_cosine_distance(x.detach()).mean().item()
    return loss, {"loss": loss.item(), "diversity": diversity}


@torch.no_grad()
def features(model: FCMAE, images: Tensor) -> Tensor:
    """The last stage's sites (B, N, C), nothing hidden."""
    return model.encoder.encode(images).flatten(2).mT


@torch.no_grad()
def reconstruct(
    model: FCMAE, imgs: Tensor, mask_ratio: float = 0.6, noise: Tensor | None = None
) -> Reconstruction:
    """Hide patches of imgs (B, 3, H, W), fill them in, and bring the result to pixels.

    With normalised targets each painted patch takes the true one's mean and deviation.
    """
    _, maps, mask = model(imgs, noise, mask_ratio)
    pred = maps.flatten(2).mT                                   # (B, N, p*p*3)
    return in_pixels(imgs, pred, mask, model.patch_size, model.norm_pix_loss)
