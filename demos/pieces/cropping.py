"""Two ways of cutting random crops from one picture."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from demos.intake import images
from demos.pieces import seeing
from demos.pieces.seeing import SIDE
from demos.pieces.watching import Box, read, watcher
from reference_impls import byol
from reference_impls.simclr import random_resized_crop

PAD = 4      # pixels that SRC mirrors around the picture
SHOWN = 3    # crops that are shown as the network would see them
LITTLE = 0.1


@dataclass(frozen=True)
class Way:
    """Many crops of one picture; boxes are clipped to it."""

    name: str
    boxes: list[Box]
    stretch: list[float]          # longer side / shorter, of what was made a square
    crops: list[Image.Image]      # the first SHOWN

    @property
    def shares(self) -> np.ndarray:
        """Of the picture's area."""
        box = np.array(self.boxes)
        return (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])

    def strangers(self) -> float:
        """Share of neighbouring pairs that have less than LITTLE in common."""
        pairs = zip(self.boxes[::2], self.boxes[1::2], strict=False)
        return float(np.mean([seeing.shared(*pair) < LITTLE for pair in pairs]))

    def coverage(self, rows: int, columns: int) -> np.ndarray:
        """(rows, columns), the share of crops that hold each place."""
        y, x = (np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns
        left, top, right, bottom = np.array(self.boxes).T[..., None]      # (n, 1)
        across, down = (left <= x) & (x < right), (top <= y) & (y < bottom)
        return np.einsum("nr,nc->rc", down.astype(float), across) / len(self.boxes)


def two_ways(
    module: ModuleType, picture: Image.Image, crops: int, seed: int
) -> tuple[Way, Way, str]:
    """What is usual, what the paper does, and the paper's reason in a few sentences."""
    make = deit3 if hasattr(module, "simple_random_crop") else larger
    return make(module, picture, crops, seed)


def deit3(
    module: ModuleType, picture: Image.Image, crops: int, seed: int
) -> tuple[Way, Way, str]:
    """A random resized crop, and the simple one."""
    img, luck = torch.from_numpy(np.array(picture)), Generator().manual_seed(seed)
    H, W = img.shape[:2]
    scale = SIDE / min(H, W)
    h, w = max(SIDE, int(scale * H)), max(SIDE, int(scale * W))  # as SRC resizes
    found = [module.random_box(H, W, luck) for _ in range(crops)]
    corners = [module.random_corner(img, SIDE, luck) for _ in range(crops)]
    usual = Way(
        "random resized crop",
        [(j / W, i / H, (j + b) / W, (i + a) / H) for i, j, a, b in found],
        [max(a, b) / min(a, b) for _, _, a, b in found],
        [shown(module.resize(img[i:i + a, j:j + b], SIDE, SIDE))
         for i, j, a, b in found[:SHOWN]],
    )
    own = Way(
        "simple random crop",
        [clipped((j - PAD) / w, (i - PAD) / h, (j - PAD + SIDE) / w,
                 (i - PAD + SIDE) / h) for i, j in corners],
        [1.0] * crops,
        [shown(module.simple_random_crop(img, SIDE, i, j)) for i, j in corners[:SHOWN]],
    )
    return usual, own, (
        "The simple crop keeps the shorter side whole, stretches nothing and shows the "
        "object at its size, so the label still fits; the resized one may keep 8 % and "
        "show something else. On ImageNet-1k the paper uses the resized crop all the "
        "same, against overfitting; the simple one is for ImageNet-21k."
    )


def larger(
    module: ModuleType, picture: Image.Image, crops: int, seed: int
) -> tuple[Way, Way, str]:
    """BYOL's range of areas, and the paper's own."""
    luck, pixels = watcher(seed), seeing.pixels_of(picture)
    ways = []
    for low, high in (byol.T.area, module.T.area):
        luck.diary.clear()
        sides = [SIDE] * SHOWN + [1] * (crops - SHOWN)  # of the others the box matters
        made = [random_resized_crop(pixels, s, (low, high), luck) for s in sides]
        drawn = read(luck.diary)
        aspects = [one.aspect((pixels.shape[-1], SIDE)) for one in drawn]
        ways.append(Way(
            f"{100 * low:.0f} to {100 * high:.0f} %", [one.box for one in drawn],
            [max(a, 1 / a) for a in aspects],
            [images.from_array(crop[0].numpy()) for crop in made[:SHOWN]],
        ))
    return ways[0], ways[1], (
        "The views come from two moments of a video: things have moved and turned "
        "already, and small crops on top would often share nothing. How large the "
        "smallest crop is, the paper does not say; the code's value is an assumption."
    )


def clipped(*box: float) -> Box:
    """A box cut to the picture."""
    left, top, right, bottom = (min(1.0, max(0.0, value)) for value in box)
    return left, top, right, bottom


def shown(crop: Tensor) -> Image.Image:
    """(S, S, 3) uint8 as a picture."""
    return Image.fromarray(crop.numpy())
