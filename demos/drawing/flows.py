"""Motion as colours: the hue says where to, the brightness how fast."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from demos.drawing.colour import from_oklab
from demos.drawing.pictures import GROUND, TEXT, font

DARK, BRIGHT, STRONG = 0.22, 0.56, 0.17  # lightness of rest, and what full speed adds
LEGEND = (
    "Colour is direction: pink to the right, yellow down, turquoise to the left, "
    "violet up; dark is rest."
)


def coloured(flow: np.ndarray, fastest: float) -> Image.Image:
    """Flow (2, H, W) in pixels, x first; `fastest` and beyond is brightest."""
    speed = np.hypot(*flow)                                      # (H, W)
    share = (speed / max(fastest, 1e-9)).clip(0, 1) ** 0.8       # slow motion shows too
    angle = np.arctan2(flow[1], flow[0]) + 0.4
    lab = np.stack([
        DARK + BRIGHT * share, STRONG * share * np.cos(angle),
        STRONG * share * np.sin(angle),
    ], axis=-1)                                                  # (H, W, 3)
    return Image.fromarray((from_oklab(lab).clip(0, 1) * 255).round().astype(np.uint8))


def wheel(side: int, fastest: float) -> Image.Image:
    """All directions and speeds, with what the rim stands for."""
    y, x = np.mgrid[-1 : 1 : 1j * side, -1 : 1 : 1j * side]
    disc = np.asarray(coloured(np.stack([x, y]), 1.0)).copy()
    disc[np.hypot(x, y) > 1] = tuple(int(GROUND[i : i + 2], 16) for i in (1, 3, 5))
    canvas = Image.new("RGB", (side + 140, side + 84), GROUND)
    canvas.paste(Image.fromarray(disc), (70, 34))
    draw, middle = ImageDraw.Draw(canvas), (70 + side / 2, 34 + side / 2)
    words = (("left", 36, middle[1]), ("right", side + 104, middle[1]),
             ("up", middle[0], 18), ("down", middle[0], side + 48))
    for word, left, top in words:
        draw.text((left, top), word, TEXT, font(18), anchor="mm")
    rim = f"rim: {fastest:.1f} pixels per frame or more"
    draw.text((middle[0], side + 70), rim, TEXT, font(15), anchor="mm")
    return canvas
