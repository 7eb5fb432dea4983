"""Training in miniature: crops of one picture as the data set, rate and patience."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from demos.intake import images

CROPS = 64                 # of the picture: the whole data set
CROP_SCALE = (0.35, 0.9)   # side of a crop, in short sides of the picture
WARM_UP = 0.1              # share of the steps
PATIENCE = 0.85            # share of the time limit spent on training


def random_crops(
    picture: Image.Image,
    number: int,
    side: int,
    seed: int,
    scale: tuple[float, float] = CROP_SCALE,
) -> Tensor:
    """(number, 3, side, side) in [0, 1]: squares of random size and place.

    scale: least and greatest side of a square, in short sides of the picture.
    """
    draw = np.random.default_rng(seed)
    short = min(picture.size)
    crops = []
    for _ in range(number):
        edge = short * draw.uniform(*scale)
        left, top = (draw.uniform(0, n - edge) for n in picture.size)
        box = (left, top, left + edge, top + edge)
        crop = picture.resize((side, side), Image.Resampling.BILINEAR, box=box)
        crops.append(torch.from_numpy(images.to_array(crop)))
    return torch.stack(crops)


def scheduled(lr: float, step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to a hundredth."""
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return lr * (step + 1) / warm
    progress = (step - warm) / max(1, steps - warm)
    return lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
