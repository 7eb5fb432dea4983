"""CAN's three losses beside lightly's and plain transcriptions."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from lightly.loss import NTXentLoss
from torch import Tensor

from benchmarks.side_by_side import Step, backward
from reference_impls import can


def sinusoid(sigma: Tensor, dim: int) -> Tensor:
    """The formula, one frequency after another."""
    half = dim // 2
    omegas = [math.exp(-math.log(10_000) * i / (half - 1)) for i in range(half)]
    sines = [torch.sin(sigma * omega) for omega in omegas]
    return torch.stack(sines + [torch.cos(sigma * omega) for omega in omegas], dim=1)


def patches(x: Tensor, p: int) -> Tensor:
    """(M, 3, H, W) to (M, N, p*p*3), cut by slices."""
    H, W = x.shape[-2:]
    cut = [
        x[:, :, i:i + p, j:j + p].permute(0, 2, 3, 1).flatten(1)
        for i in range(0, H, p) for j in range(0, W, p)
    ]
    return torch.stack(cut, dim=1)


def transcription(
    model: can.CAN, contrast: NTXentLoss, imgs: Tensor, u: Tensor, eps: Tensor,
    noise: Tensor,
) -> Tensor:
    """The same network, and the three losses by boolean indexing."""
    sigma = model.std * u
    added = sigma[:, None, None, None] * eps
    latent, mask, restore = model.forward_encoder(imgs + added, 0.5, noise)
    z1, z2 = model.projection_head(latent.mean(1)).chunk(2)
    level = model.noise_pe_mlp(sinusoid(sigma, model.pe_dims))
    pred, p = model.forward_decoder(latent + level[:, None], restore), model.patch_size
    hidden, visible = mask == 1, mask == 0
    rec = (pred[hidden] - patches(imgs, p)[hidden]).square().mean()
    denoise = (pred[visible] - patches(added, p)[visible]).square().mean()
    return 0.97 * (0.3 * denoise + 0.7 * rec) + 0.03 * contrast(z1, z2)


def steps() -> Iterator[Step]:
    sigma = 0.05 * torch.rand(256, generator=torch.Generator().manual_seed(0))
    yield Step(
        "noise_level_embedding 256x128", "plain transcription",
        ours=lambda: can.noise_level_embedding(sigma, 128),
        theirs=lambda: sinusoid(sigma, 128),
    )
    torch.manual_seed(0)
    model = can.CAN(
        img_size=64, patch_size=8, embed_dim=64, depth=2, num_heads=2, pe_dims=32,
        decoder_embed_dim=32, decoder_depth=1, decoder_num_heads=2,
    )
    given = torch.randn(16, 3, 64, 64), torch.rand(16), torch.randn(16, 3, 64, 64)
    imgs, u, eps, noise = *given, torch.rand(16, 64)
    contrast, weights = NTXentLoss(temperature=0.1), model.patch_embed.proj.weight
    yield Step(
        "CAN, 8 images of 64, forward + backward", "plain transcription, NTXentLoss",
        ours=lambda: backward(model(imgs, 0.5, u, eps, noise)["loss"], weights),
        theirs=lambda: backward(
            transcription(model, contrast, imgs, u, eps, noise), weights
        ),
    )
