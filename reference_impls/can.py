"""CAN: contrast two views, fill in what was hidden, and name the noise on what was not.

Paper:    Mishra et al., "A simple, efficient and scalable contrastive masked
          autoencoder for learning visual representations", arXiv 2210.16870 (2022)
Differs:  1. hidden patches are reconstructed clean, as the paper has it; the released
             code aims at the noisy image (`target="noisy"`), by an addition in place
          2. sigma_max is 0.05; the released code parses that value but runs with 0.1
          3. negatives come from all processes; the released code's from its own
          4. colour jitter runs in one fixed order and turns hue as a rotation of RGB
Checked:  shlokk/mae-contrastive@12d2ba5: whole model with gradients, embedding to 1e-5,
          contrastive loss to 2e-5 (and against lightly's)

Shapes:   B images, 2B views, p patch side, N patches, K patches kept, D width,
          E width of the noise embedding, Z width of the contrastive space
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference_impls.mae import MAE, mae_loss, random_crop
from reference_impls.mae import Config as MAEConfig
from reference_impls.mae import features as encoded_patches
from reference_impls.simclr import normalize, note, nt_xent_loss

Target = Literal["clean", "noisy"]


@dataclass(frozen=True)
class Config(MAEConfig):
    """MAE's ViT-L/16, and the released code's defaults where it differs."""

    norm_pix_loss: bool = False
    mask_ratio: float = 0.5        # of both views
    std: float = 0.05              # sigma_max, on pixels of unit variance
    pe_dims: int = 128             # E
    proj_dim: int = 128            # Z
    temperature: float = 0.1       # tau
    weight_noise: float = 0.3      # the denoising part of the pixel loss
    weight_simclr: float = 0.03
    weight_mae: float = 0.97
    lr: float = 2.5e-4             # times batch / 256; AdamW, betas (0.9, 0.95)


TINY = Config(
    img_size=64, patch_size=8, embed_dim=192, depth=6, num_heads=6,
    decoder_embed_dim=96, decoder_depth=2, decoder_num_heads=3,
    pe_dims=32, batch=64,
)


def noise_level_embedding(sigma: Tensor, dim: int) -> Tensor:
    """How strong the noise is, as sines and cosines of sigma itself.

    sigma: (B,), in pixel units, not an index of a schedule. Returns (B, dim). The
    frequencies fall from 1 to 1/10000, both reached.
    """
    if dim % 2 or dim < 4:
        raise ValueError(f"dim {dim} must be even, and 4 or more")
    steps = torch.arange(dim // 2, dtype=sigma.dtype, device=sigma.device)
    omega = torch.exp(-math.log(10_000) * steps / (dim // 2 - 1))  # (E/2,)  -- omega
    angle = sigma[:, None] * omega                              # (B, E/2)
    return torch.cat([angle.sin(), angle.cos()], dim=1)         # (B, E)  -- sinusoid


def can_loss(
    rec: Tensor,
    noise: Tensor,
    contrastive: Tensor,
    weight_noise: float = 0.3,
    weight_simclr: float = 0.03,
    weight_mae: float = 0.97,
) -> Tensor:
    """The three scalars' weighted sum, weighed as in the released code.

    `weight_noise` divides the pixel loss between denoising and reconstruction.
    """
    if not 0 <= weight_noise <= 1:
        raise ValueError(
            f"weight_noise {weight_noise} must be in [0, 1]: it is the denoising share"
        )
    pixels = weight_noise * noise + (1 - weight_noise) * rec
    return weight_mae * pixels + weight_simclr * contrastive    # -- total


class CAN(MAE):
    """MAE, a head that contrasts two views, and a decoder that knows the noise level.

    std: sigma_max. target: what hidden patches are compared with. weights: the three of
    `can_loss`. mae: MAE's own arguments (img_size, patch_size, embed_dim, ...).
    """

    def __init__(
        self,
        *,
        std: float = 0.05,
        pe_dims: int = 128,
        proj_dim: int = 128,
        temperature: float = 0.1,
        weights: dict[str, float] | None = None,
        target: Target = "clean",
        **mae: Any,
    ):
        super().__init__(**mae)
        if target not in ("clean", "noisy"):
            raise ValueError(f"target={target!r}; choose 'clean' or 'noisy'")
        self.std, self.pe_dims, self.target = std, pe_dims, target
        self.temperature, self.weights = temperature, weights or {}
        D = self.cls_token.shape[-1]
        self.projection_head = nn.Sequential(
            nn.Linear(D, D), nn.ReLU(), nn.Linear(D, proj_dim)
        )
        self.noise_pe_mlp = nn.Sequential(
            nn.Linear(pe_dims, D), nn.ReLU(), nn.Linear(D, D)
        )
        self._init_weights()  # once more, for the two new heads

    def forward(  # type: ignore[override]
        self,
        imgs: Tensor,
        mask_ratio: float = 0.5,
        u: Tensor | None = None,
        eps: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """First views stacked on second views, (2B, 3, H, W), to losses and prediction.

        Randomness, drawn where it is not given: u (2B,) in [0, 1) scales the noise,
        eps (2B, 3, H, W) is it, noise (2B, N) decides the masks.
        Returns loss, loss_rec, loss_contrastive, loss_noise, pred (2B, N, p*p*3) and
        mask (2B, N) with 1 for removed.
        """
        if len(imgs) % 2:
            raise ValueError(
                f"{len(imgs)} images are no pairs; stack second views under the first"
            )
        u = torch.rand(len(imgs), device=imgs.device).to(imgs) if u is None else u
        eps = torch.randn_like(imgs) if eps is None else eps
        sigma = self.std * u                                    # (2B,)  -- sigma
        added = sigma[:, None, None, None] * eps                # -- sigma e
        noisy = imgs + added                                    # -- noisy image

        latent, mask, ids_restore = self.forward_encoder(noisy, mask_ratio, noise)
        if not 0 < latent.shape[1] - 1 < mask.shape[1]:
            raise ValueError(
                f"mask_ratio {mask_ratio} hides all or none of the patches; "
                "some must be hidden to be painted and some visible to be denoised"
            )
        z1, z2 = self.projection_head(latent.mean(1)).chunk(2)  # (B, Z)  -- z

        level = self.noise_pe_mlp(noise_level_embedding(sigma, self.pe_dims))  # (2B, D)
        latent = latent + level[:, None]                        # -- told how noisy
        pred = self.forward_decoder(latent, ids_restore)        # (2B, N, p*p*3)

        rec, denoise = self.losses(imgs, added, pred, mask)
        contrastive = nt_xent_loss(z1, z2, self.temperature)    # ()  -- contrast
        return {
            "loss": can_loss(rec, denoise, contrastive, **self.weights),
            "loss_rec": rec, "loss_noise": denoise, "loss_contrastive": contrastive,
            "pred": pred, "mask": mask,
        }

    def losses(
        self, imgs: Tensor, added: Tensor, pred: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One prediction, judged twice: pixels where hidden, noise where visible."""
        p, normalised = self.patch_size, self.norm_pix_loss
        goal = imgs + added if self.target == "noisy" else imgs
        rec = mae_loss(goal, pred, mask, p, normalised)         # -- reconstruction
        visible = 1 - mask                                      # (2B, N)
        denoise = mae_loss(added, pred, visible, p, False)      # -- denoising
        return rec, denoise


# Training it

Draw = Callable[[float, float], Tensor]


def views(
    images: Tensor, generator: torch.Generator | None = None, config: Config = TINY
) -> Tensor:
    """Two crops of each image, recoloured and blurred: (B, 3, H, W) to (2B, 3, S, S).

    images in [0, 1]. Returns all first views, then all second ones, normalised for the
    encoder: sigma is measured on that scale.
    """

    def draw(low: float, high: float) -> Tensor:
        u = torch.rand(len(images), 1, 1, 1, generator=generator, device=images.device)
        return low + (high - low) * u                           # (B, 1, 1, 1)

    def chosen(what: str, probability: float) -> Tensor:
        luck = draw(0, 1) < probability                         # (B, 1, 1, 1)
        note(generator, what, luck.flatten())
        return luck

    def one_view() -> Tensor:
        x = random_crop(images, generator, config)
        x = torch.where(chosen("jitter", 0.8), jitter(x, draw), x)
        x = torch.where(chosen("greyscale", 0.2), grey(x).expand_as(x), x)
        return torch.where(chosen("blur", 0.5), blur(x, draw(0.1, 2.0)), x)

    return normalize(torch.cat([one_view(), one_view()]))       # (2B, 3, S, S)


def grey(x: Tensor) -> Tensor:
    """Luma of RGB, (B, 3, H, W) to (B, 1, H, W)."""
    return (x * x.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)


def jitter(x: Tensor, draw: Draw) -> Tensor:
    """Brightness, contrast, saturation by up to 0.4, hue by up to a tenth of a turn."""
    x = (x * draw(0.6, 1.4)).clamp(0, 1)
    mean = grey(x).mean((1, 2, 3), keepdim=True)
    x = (mean + (x - mean) * draw(0.6, 1.4)).clamp(0, 1)
    x = (grey(x) + (x - grey(x)) * draw(0.6, 1.4)).clamp(0, 1)
    turn = 2 * math.pi * draw(-0.1, 0.1)                        # about the grey axis
    mean, across = x.mean(1, keepdim=True), x[:, [2, 0, 1]] - x[:, [1, 2, 0]]
    x = mean + (x - mean) * turn.cos() + across * turn.sin() / math.sqrt(3)
    return x.clamp(0, 1)


def blur(x: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of each image by its own sigma (B, 1, 1, 1), in pixels."""
    B, C, H, W = x.shape
    offsets = torch.arange(-6, 7, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-(offsets**2) / (2 * sigma.view(B, 1) ** 2))   # (B, 13)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(C, 0)
    x = F.pad(x.reshape(1, B * C, H, W), (6, 6, 6, 6), mode="reflect")
    x = F.conv2d(x, kernel[:, None, None], groups=B * C)
    return F.conv2d(x, kernel[:, None, :, None], groups=B * C).view(B, C, H, W)


def build(config: Config = TINY) -> CAN:
    """The model that a Config describes."""
    return CAN(
        std=config.std, pe_dims=config.pe_dims, proj_dim=config.proj_dim,
        temperature=config.temperature,
        weights={
            "weight_noise": config.weight_noise,
            "weight_simclr": config.weight_simclr,
            "weight_mae": config.weight_mae,
        },
        img_size=config.img_size, patch_size=config.patch_size,
        embed_dim=config.embed_dim, depth=config.depth, num_heads=config.num_heads,
        decoder_embed_dim=config.decoder_embed_dim, decoder_depth=config.decoder_depth,
        decoder_num_heads=config.decoder_num_heads, norm_pix_loss=config.norm_pix_loss,
    )


def training_step(
    model: CAN, batch: Tensor, step: int = 0, steps: int = 1
) -> tuple[Tensor, dict[str, float]]:
    """Loss of one batch of stacked views (2B, 3, H, W), and its parts to watch."""
    out = model(batch, Config.mask_ratio)
    watched = ("loss", "loss_rec", "loss_noise", "loss_contrastive")
    return out["loss"], {name: out[name].item() for name in watched}


def features(model: CAN, images: Tensor) -> Tensor:
    """Encoded patch tokens (B, N, D), nothing hidden and no noise added."""
    return encoded_patches(model, images)
