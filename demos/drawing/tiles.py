"""Sheets of one picture many times, also where it is a strip."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from demos.drawing import pictures
from demos.intake import images

LONG = 4       # times as wide as high: then one below the other, and large
NARROW = 170   # pixels that a label needs


def small(fitted: images.Fitted, cell: int) -> Image.Image:
    """The picture as one among others, its longer side `cell`; a long one in full."""
    display = fitted.display
    long = display.width > LONG * display.height
    return display if long else pictures.scaled(display, cell)


def sheet(
    tiles: Sequence[Image.Image], labels: Sequence[str], columns: int
) -> Image.Image:
    """Tiles of one size with labels, in fewer columns where they are long."""
    width, height = tiles[0].size
    if width > LONG * height:
        columns = 1
    if width < NARROW:
        tiles = [widened(tile) for tile in tiles]
    return pictures.sheet(tiles, labels, columns)


def widened(tile: Image.Image) -> Image.Image:
    """The tile in the middle of a ground that is wide enough for a label."""
    ground = Image.new("RGB", (NARROW, tile.height), pictures.GROUND)
    ground.paste(tile, ((NARROW - tile.width) // 2, 0))
    return ground
