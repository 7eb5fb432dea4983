"""MAE: hide three quarters of the patches and ask for their pixels.

Paper:    He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022,
          arXiv 2111.06377
Differs:  1. `noise` may be handed in, so that a mask can be repeated or drawn by hand
          2. images of another size than the training's interpolate the encoder's
             positions (for looking at attention; pretraining keeps one size)
          3. `reconstruct` undoes the pixel normalisation with the hidden patches' own
             mean and deviation, which the model never saw: a picture, not a prediction
Checked:  facebookresearch/mae@efb2a80: masks and patches exactly, loss and gradient to
          1e-9, the whole model with gradients to 1e-6

Shapes:   B images, p patch side, N patches, D encoder width, M decoder width,
          K patches kept
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_impls.simclr import normalize, note
from reference_impls.vit import Block, PatchEmbed, interpolate_pos_embed


@dataclass(frozen=True)
class Config:
    """ViT-L/16 and the recipe of pretraining (Sec. 4, Tab. 8)."""

    img_size: int = 224
    patch_size: int = 16
    embed_dim: int = 1024          # D
    depth: int = 24
    num_heads: int = 16
    decoder_embed_dim: int = 512   # M
    decoder_depth: int = 8
    decoder_num_heads: int = 16
    norm_pix_loss: bool = True
    mask_ratio: float = 0.75
    lr: float = 1.5e-4             # times batch / 256; AdamW, betas (0.9, 0.95)
    weight_decay: float = 0.05
    batch: int = 4096
    crop_scale: tuple[float, float] = (0.2, 1.0)


TINY = Config(
    img_size=64, patch_size=8, embed_dim=192, depth=6, num_heads=6,
    decoder_embed_dim=96, decoder_depth=2, decoder_num_heads=3, batch=64, lr=1.2e-3,
    norm_pix_loss=False,  # pixels as they are: what it shows is all its own
)


def views(
    images: Tensor, generator: torch.Generator | None = None, config: Config = TINY
) -> Tensor:
    """All the augmentation that MAE needs: a crop, mirrored half of the time.

    images: (B, 3, H, W) in [0, 1]. Returns (B, 3, img_size, img_size), normalised.
    """
    return normalize(random_crop(images, generator, config))


def random_crop(
    images: Tensor, generator: torch.Generator | None = None, config: Config = TINY
) -> Tensor:
    """A random part of each image, resized and perhaps mirrored.

    images: (B, 3, H, W). Returns (B, 3, img_size, img_size).
    """
    B, device = len(images), images.device

    def draw(low: float, high: float) -> Tensor:
        u = torch.rand(B, generator=generator, device=device).to(images)
        return low + (high - low) * u

    area = draw(*config.crop_scale)                            # (B,)
    log_ratio = draw(float(np.log(3 / 4)), float(np.log(4 / 3)))
    w = (area * log_ratio.exp()).sqrt().clamp(max=1)           # (B,)
    h = (area / log_ratio.exp()).sqrt().clamp(max=1)           # (B,)
    left, top = (1 - w) * draw(-1, 1), (1 - h) * draw(-1, 1)   # (B,)  crop's centre
    mirror = torch.where(draw(0, 1) < 0.5, -1.0, 1.0)          # (B,)
    note(generator, "crop", (left, top, w, h))
    note(generator, "flip", mirror < 0)
    zero = torch.zeros_like(w)
    theta = torch.stack([w * mirror, zero, left, zero, h, top], 1).view(B, 2, 3)
    shape = (B, 3, config.img_size, config.img_size)
    grid = F.affine_grid(theta, list(shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def patchify(imgs: Tensor, p: int) -> Tensor:
    """(B, 3, H, W) to (B, N, p*p*3); in a patch the order is row, column, channel."""
    B, C, H, W = imgs.shape
    if H % p or W % p:
        raise ValueError(
            f"image is {H}x{W}; crop it so that both sides are multiples of {p}"
        )
    x = imgs.reshape(B, C, H // p, p, W // p, p)       # (B, C, h, p, w, p)
    x = x.permute(0, 2, 4, 3, 5, 1)                    # (B, h, w, p, p, C)
    return x.reshape(B, -1, p * p * C)                 # (B, N, p*p*3)


def unpatchify(x: Tensor, p: int, hw: tuple[int, int] | None = None) -> Tensor:
    """(B, N, p*p*3) back to (B, 3, H, W); hw is the grid, a square one by default."""
    h, w = hw or (int(x.shape[1] ** 0.5),) * 2
    if h * w != x.shape[1]:
        raise ValueError(
            f"{x.shape[1]} patches are no square grid; say hw=(rows, columns)"
        )
    x = x.reshape(len(x), h, w, p, p, -1)              # (B, h, w, p, p, C)
    x = x.permute(0, 5, 1, 3, 2, 4)                    # (B, C, h, p, w, p)
    return x.reshape(len(x), -1, h * p, w * p)         # (B, 3, H, W)


def get_2d_sincos_pos_embed(
    embed_dim: int, grid_size: int, cls_token: bool = False
) -> np.ndarray:
    """Fixed positions (N, D): half the channels for the column, then half for the row.

    The class token's row, if asked for, comes first and is zero.
    """
    if embed_dim % 4:
        raise ValueError(f"width {embed_dim} must be a multiple of 4")
    quarter = embed_dim // 4
    omega = 10000.0 ** -(np.arange(quarter) / quarter)              # (D/4,)  -- omega
    angle = np.arange(grid_size)[:, None] * omega                   # (g, D/4)
    line = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)   # (g, D/2)
    columns = np.tile(line, (grid_size, 1))                         # (N, D/2)
    rows = np.repeat(line, grid_size, axis=0)                       # (N, D/2)
    table = np.concatenate([columns, rows], axis=1)                 # (N, D)
    return np.concatenate([np.zeros((1, embed_dim)), table]) if cls_token else table


def take(x: Tensor, ids: Tensor) -> Tensor:
    """Tokens ids[b] of each x[b]: (B, N, D) and (B, K) to (B, K, D).

    Whole rows of one long table: `gather` adds its gradient number by number, slowly.
    """
    B, N, D = x.shape
    rows = ids + N * torch.arange(B, device=ids.device)[:, None]    # (B, K)
    return x.reshape(B * N, D).index_select(0, rows.flatten()).view(B, -1, D)


def random_masking(
    x: Tensor, mask_ratio: float, noise: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Keep the patches with the least noise: a uniform draw without replacement.

    x: (B, N, D); noise: (B, N), uniform if not given.
    Returns the kept tokens (B, K, D) in order of their noise, the mask (B, N) with 1
    for removed, and ids_restore (B, N), which puts [kept, removed] back in place.
    """
    B, N, _ = x.shape
    if not 0 <= mask_ratio < 1:
        raise ValueError(f"mask_ratio {mask_ratio} must be in [0, 1)")
    if noise is None:
        noise = torch.rand(B, N, device=x.device)
    elif noise.shape != (B, N):
        raise ValueError(
            f"noise {tuple(noise.shape)} must have one number a patch: ({B}, {N})"
        )
    keep = int(N * (1 - mask_ratio))                            # K  -- K
    ids_shuffle = noise.argsort(dim=1)                          # (B, N)  -- shuffle
    places = torch.arange(N, device=x.device).expand(B, N)
    ids_restore = places.scatter(1, ids_shuffle, places)        # (B, N)  the inverse
    mask = (ids_restore >= keep).to(x.dtype)                    # (B, N)  -- mask
    return take(x, ids_shuffle[:, :keep]), mask, ids_restore


def patch_statistics(target: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each patch's pixels, (B, N, 1) each; variance unbiased."""
    mean = target.mean(dim=-1, keepdim=True)                    # (B, N, 1)
    squares = (target - mean).square().sum(dim=-1, keepdim=True)  # (B, N, 1)
    var = squares / (target.shape[-1] - 1)                      # -- unbiased
    return mean, (var + 1e-6).sqrt()


def mae_loss(
    imgs: Tensor,
    pred: Tensor,
    mask: Tensor,
    patch_size: int,
    norm_pix_loss: bool = True,
) -> Tensor:
    """Mean squared error on the removed patches only (Sec. 3).

    imgs: (B, 3, H, W); pred: (B, N, p*p*3); mask: (B, N), 1 is removed. A scalar.
    """
    target = patchify(imgs, patch_size)                         # (B, N, p*p*3)
    if pred.shape != target.shape:
        raise ValueError(
            f"prediction {tuple(pred.shape)} does not fit the target "
            f"{tuple(target.shape)}; is patch_size={patch_size} the model's?"
        )
    if norm_pix_loss:
        mean, deviation = patch_statistics(target)
        target = (target - mean) / deviation                    # -- normalised pixels
    squares = F.mse_loss(pred, target, reduction="none")        # (B, N, p*p*3)
    per_patch = squares.sum(dim=-1) / target.shape[-1]          # (B, N)  -- per patch
    return (per_patch * mask).sum() / mask.sum()                # ()  -- masked mean


class MAE(nn.Module):
    """A ViT that sees the kept patches, and a small decoder that fills in the rest."""

    def __init__(
        self,
        img_size: int = 224,
        patch_size: int = 16,
        in_chans: int = 3,
        embed_dim: int = 1024,
        depth: int = 24,
        num_heads: int = 16,
        decoder_embed_dim: int = 512,
        decoder_depth: int = 8,
        decoder_num_heads: int = 16,
        mlp_ratio: float = 4.0,
        norm_pix_loss: bool = False,
    ):
        super().__init__()
        self.patch_size, self.norm_pix_loss = patch_size, norm_pix_loss
        self.num_prefix, self.grid = 1, img_size // patch_size
        D, M, grid = embed_dim, decoder_embed_dim, self.grid

        self.patch_embed = PatchEmbed(patch_size, D, in_chans)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, D))
        self.pos_embed = fixed_positions(D, grid)                   # (1, 1+N, D)
        self.blocks = nn.ModuleList(
            Block(D, num_heads, mlp_ratio) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(D, eps=1e-6)

        self.decoder_embed = nn.Linear(D, M)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, M))
        self.decoder_pos_embed = fixed_positions(M, grid)           # (1, 1+N, M)
        self.decoder_blocks = nn.ModuleList(
            Block(M, decoder_num_heads, mlp_ratio) for _ in range(decoder_depth)
        )
        self.decoder_norm = nn.LayerNorm(M, eps=1e-6)
        self.decoder_pred = nn.Linear(M, patch_size**2 * in_chans)
        self._init_weights()

    def _init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        # The patch embedding is a linear map written as a convolution.
        nn.init.xavier_uniform_(self.patch_embed.proj.weight.flatten(1))
        nn.init.normal_(self.cls_token, std=0.02)
        nn.init.normal_(self.mask_token, std=0.02)

    def forward_encoder(
        self, imgs: Tensor, mask_ratio: float, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode the kept patches only: latent (B, 1+K, D), mask, ids_restore."""
        x = self.patch_embed(imgs)                              # (B, N, D)
        side = self.grid * self.patch_size
        if imgs.shape[-2:] != (side, side):
            raise ValueError(
                f"images are {imgs.shape[-2]}x{imgs.shape[-1]}; resize them to "
                f"{side}x{side}, the size that this model was made for"
            )
        x = x + self.pos_embed[:, 1:]                           # -- position first
        x, mask, ids_restore = random_masking(x, mask_ratio, noise)  # (B, K, D)
        cls = self.cls_token + self.pos_embed[:, :1]
        x = torch.cat([cls.expand(len(x), -1, -1), x], 1)  # (B, 1+K, D)  -- visible
        for block in self.blocks:
            x = block(x)
        return self.norm(x), mask, ids_restore

    def forward_decoder(self, x: Tensor, ids_restore: Tensor) -> Tensor:
        """Mask tokens into the gaps, then pixels: (B, 1+K, D) to (B, N, p*p*3)."""
        x = self.decoder_embed(x)                               # (B, 1+K, M)
        B, T, M = x.shape
        gaps = ids_restore.shape[1] + 1 - T                     # N - K
        masked = self.mask_token.to(x.dtype).expand(B, gaps, M)
        tokens = torch.cat([x[:, 1:], masked], 1)       # (B, N, M)  -- mask tokens
        tokens = take(tokens, ids_restore)                      # -- unshuffle
        x = torch.cat([x[:, :1], tokens], dim=1)                # (B, 1+N, M)
        x = x + self.decoder_pos_embed
        for block in self.decoder_blocks:
            x = block(x)
        x = self.decoder_pred(self.decoder_norm(x))     # (B, 1+N, p*p*3)  -- pixels
        return x[:, 1:]

    def forward(
        self, imgs: Tensor, mask_ratio: float = 0.75, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) to (loss, prediction (B, N, p*p*3), mask (B, N))."""
        latent, mask, ids_restore = self.forward_encoder(imgs, mask_ratio, noise)
        if latent.shape[1] > mask.shape[1]:
            raise ValueError(
                f"mask_ratio {mask_ratio} hides none of {mask.shape[1]} patches, so "
                "there is nothing to predict; hide at least one"
            )
        pred = self.forward_decoder(latent, ids_restore)
        loss = mae_loss(imgs, pred, mask, self.patch_size, self.norm_pix_loss)
        return loss, pred, mask

    def embed(self, x: Tensor) -> Tensor:
        """All patches with position, nothing hidden: (B, 1+N, D), at any grid."""
        hw = (x.shape[-2] // self.patch_size, x.shape[-1] // self.patch_size)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), self.patch_embed(x)], 1)
        return x + interpolate_pos_embed(self.pos_embed, hw)

    def get_attention(self, x: Tensor) -> list[Tensor]:
        """The encoder's weights in each layer, nothing hidden: (B, heads, 1+N, 1+N)."""
        x, maps = self.embed(x), []
        for block in self.blocks:
            x, weights = block.attend(x)
            maps.append(weights)
        return maps


def fixed_positions(dim: int, grid: int) -> nn.Parameter:
    """Sin-cos positions as a frozen parameter, (1, 1+N, dim): upstream stores it so."""
    table = get_2d_sincos_pos_embed(dim, grid, cls_token=True)
    return nn.Parameter(torch.from_numpy(table).float()[None], requires_grad=False)


# Training it


def build(config: Config = TINY) -> MAE:
    """The model that a Config describes."""
    return MAE(
        config.img_size, config.patch_size, 3, config.embed_dim, config.depth,
        config.num_heads, config.decoder_embed_dim, config.decoder_depth,
        config.decoder_num_heads, norm_pix_loss=config.norm_pix_loss,
    )


def training_step(
    model: MAE, batch: Tensor, step: int = 0, steps: int = 1
) -> tuple[Tensor, dict[str, float]]:
    """Loss of one batch of crops (B, 3, H, W), and what to watch."""
    loss, _, _ = model(batch, TINY.mask_ratio)
    return loss, {"loss": loss.item()}


def features(model: MAE, images: Tensor) -> Tensor:
    """Encoded patch tokens (B, N, D), nothing hidden."""
    x = model.embed(images)
    for block in model.blocks:
        x = block(x)
    return model.norm(x)[:, 1:]


# Looking at it


class Reconstruction(NamedTuple):
    """Three pictures (B, 3, H, W) in the model's pixel scale, and the mask (B, N)."""

    masked: Tensor      # removed patches at 0, the mean of a normalised image
    prediction: Tensor  # what the decoder says everywhere, normalisation undone
    pasted: Tensor      # the input where visible, the prediction where removed
    mask: Tensor


def in_pixels(
    imgs: Tensor, pred: Tensor, mask: Tensor, patch_size: int, norm_pix_loss: bool
) -> Reconstruction:
    """A prediction (B, N, p*p*3) as pictures, beside and over the true ones."""
    p, target = patch_size, patchify(imgs, patch_size)          # (B, N, p*p*3)
    if norm_pix_loss:
        mean, deviation = patch_statistics(target)
        pred = pred * deviation + mean                          # -- undo normalisation
    hidden = mask[..., None]                                    # (B, N, 1)
    hw = (imgs.shape[-2] // p, imgs.shape[-1] // p)
    return Reconstruction(
        masked=unpatchify(target * (1 - hidden), p, hw),
        prediction=unpatchify(pred, p, hw),
        pasted=unpatchify(target * (1 - hidden) + pred * hidden, p, hw),  # -- pasted
        mask=mask,
    )


@torch.no_grad()
def reconstruct(
    model: MAE, imgs: Tensor, mask_ratio: float = 0.75, noise: Tensor | None = None
) -> Reconstruction:
    """Hide patches of imgs (B, 3, H, W), fill them in, and bring the result to pixels.

    Trained on normalised patches, the model says how a patch varies, not how bright it
    is: its output is scaled by the true patch's mean and deviation (Fig. 2 does so).
    The loss never looks at visible patches, so predictions there are noise: see pasted.
    """
    _, pred, mask = model(imgs, mask_ratio, noise)
    return in_pixels(imgs, pred, mask, model.patch_size, model.norm_pix_loss)
