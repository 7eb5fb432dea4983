"""Drawing: heat maps, overlays, labelled grids and the UNTRAINED stamp.

Dark ground, no transparency: the same picture is legible on light and dark pages.
Arrays are (H, W) or (H, W, 3), floats in [0, 1] where nothing else is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from demos.drawing.colour import colour_map, stretched

GROUND, LINE, TEXT, QUIET = "#15171c", "#3a3f4a", "#eceef2", "#a3a9b5"
ALARM = "#c62828"
PADDING = 12


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own typeface, so that no system font is needed."""
    return ImageFont.load_default(size)


# Maps on pictures


def heat_map(values: np.ndarray, size: tuple[int, int], smooth: bool) -> Image.Image:
    """A map (rows, columns) in colour at `size` (width, height), its own range full.

    smooth=False shows the patches as they are.
    """
    levels = Image.fromarray((stretched(values) * 255).round().astype(np.uint8))
    method = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    drawn = levels.resize(size, method)
    drawn.putpalette(colour_map().tobytes())  # each level is its colour's number
    return drawn.convert("RGB")


def overlay(picture: Image.Image, values: np.ndarray, opacity: float) -> Image.Image:
    """The map, smoothed, over a greyed picture, so that all colour is the map's."""
    grey = Image.blend(
        picture, picture.convert("L").convert("RGB"), min(1, 1.5 * opacity)
    )
    return Image.blend(grey, heat_map(values, picture.size, smooth=True), opacity)


def spotlight(picture: Image.Image, kept: np.ndarray) -> Image.Image:
    """Patches in `kept` (rows, columns, bool) as they are, all others dark and grey."""
    mask = Image.fromarray(kept.astype(np.uint8) * 255)
    mask = mask.resize(picture.size, Image.Resampling.NEAREST)
    dimmed = picture.convert("L").convert("RGB").point(lambda v: v * 0.22)
    return Image.composite(picture, dimmed, mask)


def crisp(picture: Image.Image, zoom: int) -> Image.Image:
    """Enlarged with its pixels left square."""
    size = (picture.width * zoom, picture.height * zoom)
    return picture.resize(size, Image.Resampling.NEAREST)


# Arrangement


def sheet(
    pictures: Sequence[Image.Image],
    labels: Sequence[str],
    columns: int,
    cell: int | None = None,
) -> Image.Image:
    """Pictures of one size in rows, a label under each.

    cell: the longer side of each picture; None leaves them as they are.
    """
    if cell:
        pictures = [scaled(p, cell) for p in pictures]
    w, h = pictures[0].size
    size = max(12, min(18, w // 10))
    while size > 9 and max(map(font(size).getlength, labels)) > w + PADDING // 2:
        size -= 1  # or neighbours' labels would meet, and the last ones be cut off
    step_x, step_y = w + PADDING, h + size + PADDING + 6
    rows = -(-len(pictures) // columns)
    canvas = Image.new(
        "RGB", (columns * step_x + PADDING, rows * step_y + PADDING), GROUND
    )
    draw = ImageDraw.Draw(canvas)
    for i, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        x, y = PADDING + i % columns * step_x, PADDING + i // columns * step_y
        canvas.paste(picture, (x, y))
        draw.text((x + w / 2, y + h + 4), label, TEXT, font(size), anchor="ma")
    return canvas


def framed(pictures: Sequence[Image.Image]) -> list[Image.Image]:
    """Pictures of any sizes as ones of one size, each in the middle of the ground."""
    sides = [picture.size for picture in pictures]
    size = (max(w for w, _ in sides), max(h for _, h in sides))
    tiles = [Image.new("RGB", size, GROUND) for _ in pictures]
    for tile, picture in zip(tiles, pictures, strict=True):
        w, h = picture.size
        tile.paste(picture, ((size[0] - w) // 2, (size[1] - h) // 2))
    return tiles


def scaled(picture: Image.Image, side: int) -> Image.Image:
    """The picture with its longer side at `side` pixels."""
    factor = side / max(picture.size)
    width, height = (max(1, round(n * factor)) for n in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def columns_for(n: int, aspect: float) -> int:
    """Columns that bring a grid of n pictures, width / height = aspect, near 2 : 1."""
    return max(1, min(n, round((n * 2 / aspect) ** 0.5)))


def stamped(picture: Image.Image) -> Image.Image:
    """A red band under the picture: its weights never learnt anything."""
    band = max(22, min(40, picture.width // 16))
    width = max(picture.width, 120)  # a thin strip gets room for the word
    canvas = Image.new("RGB", (width, picture.height + band), ALARM)
    canvas.paste(GROUND, (0, 0, width, picture.height))
    canvas.paste(picture, (0, 0))
    draw = ImageDraw.Draw(canvas)
    for text in ("UNTRAINED: random weights, the pattern means nothing", "UNTRAINED"):
        size = band * 6 // 10
        while size > 9 and draw.textlength(text, font(size)) > width - 12:
            size -= 1
        if size > 9 or text == "UNTRAINED":
            break
    middle = (width / 2, picture.height + band / 2)
    draw.text(middle, text, "white", font(size), anchor="mm")
    return canvas
