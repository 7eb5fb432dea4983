"""A clip for tests: a bright square that goes right and down over quiet stripes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def frame(t: int, size: tuple[int, int] = (96, 72)) -> Image.Image:
    """The frame at time t; the square goes two pixels right and one down each time."""
    x, y = np.meshgrid(*(np.arange(n) for n in size))
    pixels = np.stack([90 + 25 * np.sin(x / 4), 90 + 25 * np.cos(y / 5), 0 * x + 80], -1)
    ramp = np.clip(1 - np.hypot(x - 24 - 2 * t, y - 20 - t) / 14, 0, 1)[..., None]
    bright = np.array([250, 200, 40]) * ramp + pixels * (1 - ramp)
    return Image.fromarray(bright.astype(np.uint8))


def film(folder: Path, length: int = 18) -> Path:
    """The clip as a file."""
    frames = [frame(t) for t in range(length)]
    frames[0].save(folder / "film.png", save_all=True, append_images=frames[1:])
    return folder / "film.png"
