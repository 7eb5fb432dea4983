"""Features to point by: of a small network that learns on one clip, and of patches.

Grey frames in, colours to be copied, as the paper has it; the module does both.
"""

from __future__ import annotations

import time
from dataclasses import replace
from types import ModuleType

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demos.listening import listening
from demos.scene import Scene

CROP, BATCH = 64, 4          # of one step: squares of four frames each
LEARNING_RATE = 4e-3
PATIENCE = 0.5               # share of the time limit spent on training
PATCH, SHARP = 9, 40.0       # side in half places; a correlation of 1 counts so much


def trained(scene: Scene, pixels: Tensor) -> dict[str, np.ndarray]:
    """Features (1, T, N, C) after training on pixels (3, T, H, W), and the loss."""
    module, options, recorder = scene.module, scene.options, scene.recorder
    generator = torch.Generator().manual_seed(int(options["seed"]))
    config = replace(module.TINY, color_dropout=1.0)  # all clips grey, as at test
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(options["seed"]))
        model = module.build(config).to(pixels.device)
    ab = module.rgb_to_lab(pixels[None])[0, 1:].flatten(1).T     # (T H W, 2)
    model.centroids = module.kmeans(ab, config.colors, generator)  # this clip's colours
    optimiser = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    losses, began = [], time.monotonic()
    steps = int(options["steps"])
    with listening(model, recorder.alive):
        for step in range(steps):
            cut = crops(pixels, generator)
            batch = module.clip_views(cut, generator, config=config)
            loss, watched = module.training_step(model.train(), batch, step, steps)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(watched["loss"])
            said = f"Step {step + 1} of {steps}: loss {losses[-1]:.3f}"
            new = {"loss": [(step, losses[-1])]}
            recorder.progress(step + 1, steps, said, new)
            if time.monotonic() - began > PATIENCE * scene.spec.seconds:
                break
    features, grid = looked(module, model, pixels)
    return {
        "features": features, "grid": np.array(grid),
        "loss": np.array(losses), "centroids": model.centroids.cpu().numpy(),
    }


def crops(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Squares out of four frames in a row, (BATCH, 3, 4, CROP, CROP)."""
    _, T, H, W = pixels.shape
    side = min(CROP, H, W)
    cut = []
    for _ in range(BATCH):
        t, y, x = (
            int(torch.randint(room + 1, (1,), generator=generator))
            for room in (T - 4, H - side, W - side)
        )
        cut.append(pixels[:, t : t + 4, y : y + side, x : x + side])
    return torch.stack(cut)


@torch.no_grad()
def looked(
    module: ModuleType, model: nn.Module, pixels: Tensor
) -> tuple[np.ndarray, tuple[int, int]]:
    """Features of the grey clip, (1, T, N, C), and their rows and columns."""
    config = replace(module.TINY, color_dropout=1.0, references=pixels.shape[1] - 1)
    generator = torch.Generator().manual_seed(0)
    batch = module.clip_views(pixels[None], generator, config=config)
    maps = model.eval()(batch.inputs)                            # (1, C, T, h, w)
    return module.tokens(maps).cpu().numpy(), (maps.shape[3], maps.shape[4])


def by_patches(light: Tensor, grid: tuple[int, int]) -> Tensor:
    """Lightness (1, 1, T, H, W) of a patch round each place as features, (1, T, N, D).

    Without its mean, at unit length: products are correlations (template matching).
    """
    fine = (light.shape[2], 2 * grid[0], 2 * grid[1])
    small = F.adaptive_avg_pool3d(light, fine)[0].transpose(0, 1)  # (T, 1, 2h, 2w)
    padded = F.pad(small, (PATCH // 2,) * 4, mode="replicate")
    patches = F.unfold(padded, PATCH, stride=2).mT               # (T, N, PATCH^2)
    patches = patches[:, : grid[0] * grid[1]]
    centred = patches - patches.mean(dim=2, keepdim=True)
    return SHARP**0.5 * F.normalize(centred, dim=2)[None]
