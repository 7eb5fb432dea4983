"""Masks demo: as many patches hidden at random, in blocks and by a grid.

The model keeps the patches with the least noise, so a way to hide is a way to draw
noise.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from demos.drawing import boards
from demos.intake import images
from demos.pieces.hiding import (
    BLEND,
    FLAT,
    MODEL,
    Painted,
    drawn_noise,
    enlarged,
    paint,
    seams,
)
from demos.results import Recorder
from demos.scene import Numbers, Scene
from demos.weights import Loaded
from reference_impls.dinov2 import block_mask

MASKS = 8   # of each kind for the table; the first one is drawn
KEPT_FIRST = ((0, 2), (3, 1))  # in a square of four patches


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """Paint the picture under each kind of mask; one is drawn, all are measured."""
    loaded, recorder = scene.loaded, scene.recorder
    ratio, seed = float(scene.options["ratio"]), int(scene.options["seed"])
    fitted = images.square(scene.picture, loaded.image_side)
    noises = kinds(fitted.grid(loaded.patch_size), ratio, seed)
    painted = {}
    for step, (kind, noise) in enumerate(noises.items()):
        recorder.progress(step, len(noises), f"Hiding {kind}")
        painted[kind] = paint(scene, fitted, ratio, noise)
    draw(painted, loaded, recorder)
    scores = {kind: one.psnr() for kind, one in painted.items()}
    recorder.table(
        "scores", f"PSNR in dB over hidden pixels, mean over {MASKS} masks of each "
        "kind, beside two fillings that need no model.",
        ["mask", MODEL, BLEND, FLAT],
        [
            [kind, *(f"{scores[kind][name]:.2f}" for name in (MODEL, BLEND, FLAT))]
            for kind in scores
        ],
    )
    recorder.arrays(
        "masks", "For each kind the pictures (mask, 3, height, width) in [0, 1] before "
        "clipping, and the masks (mask, rows, columns), True where hidden.",
        **{f"{kind}_pasted": one.pasted for kind, one in painted.items()},
        **{f"{kind}_mask": one.hidden for kind, one in painted.items()},
    )
    recorder.progress(len(noises), len(noises), "Done")
    hidden = int(painted["random"].hidden[0].sum())
    psnr = {f"psnr_{kind}_db": round(one[MODEL], 2) for kind, one in scores.items()}
    return {"hidden_patches": hidden, **psnr}


# Noise that hides


def kinds(grid: tuple[int, int], ratio: float, seed: int) -> dict[str, Tensor]:
    """Noise (MASKS, N) for each kind; the patches with most of it are hidden."""
    uniform = drawn_noise(grid[0] * grid[1], seed, MASKS)
    hidden = uniform.shape[1] - int(uniform.shape[1] * (1 - ratio))
    generator = torch.Generator().manual_seed(seed)
    blocks = torch.stack([block_mask(grid, hidden, generator) for _ in range(MASKS)])
    return {
        "random": uniform,
        "block": blocks.flatten(1) + uniform,
        "grid": grid_order(grid, seed) + uniform,
    }


def grid_order(grid: tuple[int, int], seed: int) -> Tensor:
    """Which of every four neighbours is kept first, second, …: (MASKS, N).

    At 75 % one of each four is left. Masks differ by where the first one begins.
    """
    rows, columns = (torch.arange(n) for n in grid)
    order = torch.tensor(KEPT_FIRST)
    shifts = [divmod(seed + i, 2) for i in range(MASKS)]
    maps = [order[(rows[:, None] + a) % 2, (columns + b) % 2] for a, b in shifts]
    return torch.stack(maps).flatten(1)


def touching(hidden: np.ndarray) -> float:
    """Share of the hidden patches (rows, columns) with a visible one round them."""
    visible = torch.from_numpy(~hidden).float()[None]
    beside = F.max_pool2d(visible, 3, stride=1, padding=1)[0].bool().numpy()
    return float(beside[hidden].mean())


# Pictures


def draw(painted: dict[str, Painted], loaded: Loaded, recorder: Recorder) -> None:
    """What the model sees above what it makes of it, a column for each kind."""
    arrays = [one.covered(0) for one in painted.values()]
    arrays += [one.pasted[0] for one in painted.values()]
    scores = [f"{one.psnr_of(0)[MODEL]:.1f} dB" for one in painted.values()]
    hidden = next(iter(painted.values())).hidden[0]
    count = f"{int(hidden.sum())} of {hidden.size} patches hidden"
    kinds = ", ".join(painted)
    beside = ", ".join(
        f"{100 * touching(one.hidden[0]):.0f} % with {kind}"
        for kind, one in painted.items()
    )
    recorder.picture(
        "masks", boards.board(enlarged(arrays), [*painted, *scores], len(painted)),
        f"From left to right {kinds}, each with {count}. Above what the model sees, "
        f"below the hidden ones painted ({', '.join(scores)} over hidden pixels). What "
        f"has a visible patch beside it can copy from there: {beside}. "
        "These weights learnt with random masks alone, so the other kinds are new to "
        f"them; the paper trained one model with each. {seams(loaded)}",
        f"Two rows of pictures: {kinds} masks with {count}, and painted, "
        f"{', '.join(scores)}.",
    )
