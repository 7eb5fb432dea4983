"""Two tiny CANs that learn from crops of one picture to tell noise from detail.

Both start alike and see the same crops, masks and noise. What differs is the net that
tells the decoder the level of the noise: in one of them it is silenced.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from demos.intake import images
from demos.pieces.denoised import RATIO, denoise
from demos.pieces.miniature import CROPS, PATIENCE, random_crops, scheduled
from demos.scene import Scene
from reference_impls.can import CAN

SIGMA_MAX = 1.0   # the paper's is 0.05, which nobody sees
SHARE = 0.7       # of the pixel loss for the noise: with 0.3 it takes long to learn
CROP = 64         # pixels a side, of which a view is a part at about full size
TILES = 6         # along a side of the picture that is denoised
LEVELS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 0.95)
TOLD, UNTOLD = "told the level", "not told"


def seed_of(scene: Scene) -> int:
    """The seed that was asked for."""
    return int(scene.options["seed"])


def truth_of(scene: Scene) -> Tensor:
    """The middle square, (3, H, W) in [0, 1], of as many tiles as are denoised."""
    side = TILES * small(scene.module).img_size
    fitted = images.square(scene.picture, side)
    return torch.from_numpy(images.to_array(fitted.image)).to(scene.device)


def small(module: ModuleType) -> Any:
    """The paper's configuration, small enough to learn in front of the reader."""
    return replace(
        module.TINY, img_size=16, patch_size=2, embed_dim=64, depth=1, num_heads=4,
        decoder_embed_dim=64, decoder_depth=1, decoder_num_heads=4, std=SIGMA_MAX,
        weight_noise=SHARE, batch=4, lr=8e-3, crop_scale=(0.06, 0.25),
    )


def trained(scene: Scene, started: float) -> dict[str, np.ndarray]:
    """The expensive stage: both models' weights, their losses, and PSNR by level."""
    models = {name: untrained(scene, name) for name in (TOLD, UNTOLD)}
    losses = []
    steps, recorder = int(scene.options["steps"]), scene.recorder
    limit = started + PATIENCE * scene.spec.seconds
    recorder.progress(0, steps, "The first step")
    for step, values in enumerate(updates(scene, models)):
        losses.append((step, *values))
        new = {n: [(step, v)] for n, v in zip(models, values, strict=True)}
        message = f"Step {step + 1} of {steps}: loss {values[0]:.3f}"
        recorder.progress(step + 1, steps, message, new)
        if time.monotonic() > limit:
            break
    weights = {
        f"{name}/{key}": value.cpu().numpy()
        for name, model in models.items() for key, value in model.state_dict().items()
    }
    return {
        **weights, "losses": np.array(losses), "steps": np.array([steps]),
        "levels": np.array(list(by_level(scene, models))),
    }


def untrained(scene: Scene, name: str) -> CAN:
    """A model as the seed makes it; one of the two is silenced."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(scene))
        model = scene.module.build(small(scene.module))
    if name == UNTOLD:
        for weights in model.noise_pe_mlp.parameters():  # it adds nothing, and stays so
            weights.data.zero_()
            weights.requires_grad_(False)
    return model.to(scene.device)


def updates(
    scene: Scene, models: dict[str, CAN]
) -> Iterator[tuple[float, ...]]:
    """The denoising loss of each model at every step, on the same views and draws."""
    config, steps = small(scene.module), int(scene.options["steps"])
    crops = random_crops(scene.picture, CROPS, CROP, seed_of(scene))
    crops, generator = crops.to(scene.device), torch.Generator(scene.device)
    generator.manual_seed(seed_of(scene))
    optimisers = [
        torch.optim.AdamW(
            [p for p in model.parameters() if p.requires_grad], config.lr,
            betas=(0.9, 0.95), weight_decay=config.weight_decay,
        )
        for model in models.values()
    ]
    for step in range(steps):
        chosen = torch.randint(
            CROPS, (config.batch,), generator=generator, device=scene.device
        )
        views = scene.module.views(crops[chosen], generator, config)  # (2B, 3, S, S)
        draws = drawn(views, next(iter(models.values())).grid ** 2, generator)
        values = []
        for model, optimiser in zip(models.values(), optimisers, strict=True):
            optimiser.param_groups[0]["lr"] = scheduled(config.lr, step, steps)
            out = model(views, RATIO, **draws)
            optimiser.zero_grad()
            out["loss"].backward()
            nn.utils.clip_grad_norm_(model.parameters(), 3.0)
            optimiser.step()
            values.append(out["loss_noise"].item())
        yield tuple(values)


def drawn(
    views: Tensor, patches: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """All that is random in a pass: levels, noise and masks."""
    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=views.device)

    eps = torch.randn(views.shape, generator=generator, device=views.device)
    return {"u": uniform(len(views)), "eps": eps, "noise": uniform(len(views), patches)}


def by_level(
    scene: Scene, models: dict[str, CAN]
) -> Iterator[tuple[float, ...]]:
    """(level, PSNR of the noisy picture, of each model's answer) for many levels."""
    for sigma in LEVELS:
        scene.recorder.alive()
        found = [
            denoise(model, truth_of(scene), sigma, sigma, seed_of(scene))
            for model in models.values()
        ]
        yield sigma, found[0].score("noisy"), *(one.score("restored") for one in found)


def restored(scene: Scene, stored: dict[str, np.ndarray], name: str) -> CAN:
    """A trained model out of the stored stage."""
    model, own = untrained(scene, name), f"{name}/"
    model.load_state_dict({
        key.removeprefix(own): torch.from_numpy(value)
        for key, value in stored.items() if key.startswith(own)
    })
    return model.eval()
