"""Pictures in a grid with large letters under them, and frames on pictures.

Letters are measured against the whole board, so a phone that shrinks it can show them.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from demos.drawing.curves import SERIES
from demos.drawing.pictures import GROUND, PADDING, TEXT, font, scaled

Box = tuple[float, float, float, float]  # left, top, right, bottom
LETTER = 1 / 32  # of the board's width
COLOURS = (*SERIES, "#ff7a70", "#b49cf0", "#4fd0c8", "#c9a27c", "#dfe3ea")
WIDTH = 960


def board(
    tiles: Sequence[Image.Image],
    labels: Sequence[str],
    columns: int,
    colours: Sequence[str] = (),
) -> Image.Image:
    """A board WIDTH wide; each picture as large as its cell allows, label below.

    labels: may have several lines. colours: of a bar over each label, as on frames.
    """
    size = round(WIDTH * LETTER)
    side = (WIDTH - PADDING) // columns - PADDING
    shown = [scaled(tile, side) for tile in tiles]
    rows = [shown[i : i + columns] for i in range(0, len(shown), columns)]
    lines = 1 + max(label.count("\n") for label in labels)
    below = 10 + round(1.3 * size * lines) + PADDING
    tops = [PADDING]
    for row in rows:
        tops.append(tops[-1] + max(tile.height for tile in row) + below)
    canvas = Image.new("RGB", (WIDTH, tops[-1]), GROUND)
    draw = ImageDraw.Draw(canvas)
    for i, (tile, label) in enumerate(zip(shown, labels, strict=True)):
        middle = PADDING + i % columns * (side + PADDING) + side // 2
        end = tops[i // columns + 1] - below
        canvas.paste(tile, (middle - tile.width // 2, end - tile.height))
        if i < len(colours) and colours[i]:
            x = middle - tile.width // 2
            draw.rectangle((x, end + 2, x + tile.width - 1, end + 7), colours[i])
        at = (middle, end + 10)
        draw.multiline_text(at, label, TEXT, font(size), "ma", align="center")
    return canvas


def stacked(boards: Sequence[Image.Image]) -> Image.Image:
    """Boards one below the other."""
    canvas = Image.new("RGB", (WIDTH, sum(b.height for b in boards)), GROUND)
    top = 0
    for one in boards:
        canvas.paste(one, (0, top))
        top += one.height
    return canvas


def colour(number: int) -> str:
    """Of the frame and the bar with this number, from 0."""
    return COLOURS[number % len(COLOURS)]


def outlined(
    picture: Image.Image,
    boxes: Sequence[Box],
    names: Sequence[str] = (),
    side: int = WIDTH,
    colours: Sequence[str] = (),
    letter: float = 1 / 26,
) -> Image.Image:
    """The picture, its longer side at `side` pixels, with frames and their names on it.

    boxes: in shares of the picture; letter: height of names, of `side`. Names go round
    the corners, so that two frames with one corner do not cover each other's.
    """
    drawn = scaled(picture, side)
    draw, width = ImageDraw.Draw(drawn), max(2, side // 160)
    shades = colours or [colour(i) for i in range(len(boxes))]
    edges = [
        (x0 * (drawn.width - 1), y0 * (drawn.height - 1),
         x1 * (drawn.width - 1), y1 * (drawn.height - 1))
        for x0, y0, x1, y1 in boxes
    ]
    for edge, shade in zip(edges, shades, strict=True):
        draw.rectangle(edge, outline="black", width=width + 2)
        draw.rectangle(edge, outline=shade, width=width)
    for i, name in enumerate(names):
        write(draw, name, edges[i], i % 4, max(14, round(side * letter)), shades[i])
    return drawn


def write(
    draw: ImageDraw.ImageDraw, text: str, edge: Box, corner: int, size: int, ground: str
) -> None:
    """Black letters on a plate in a corner of a frame: 0 top left, then clockwise."""
    w, h = draw.textlength(text, font(size)) + 8, 1.2 * size
    x = edge[2] - w if corner in (1, 2) else edge[0]
    y = edge[3] - h if corner in (2, 3) else edge[1]
    draw.rectangle((x, y, x + w, y + h), ground)
    draw.text((x + w / 2, y + h / 2), text, "black", font(size), "mm")
