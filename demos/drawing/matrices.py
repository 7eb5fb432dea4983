"""Matrices for the eye: coloured cells, numbers in them, pictures along the sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from demos.drawing.colour import colour_map
from demos.drawing.pictures import GROUND, LINE, PADDING, QUIET, TEXT, font

CELL, GAP = 64, 2
ROUNDING = 1e-5  # by which a vector's cosine with itself may miss 1
FRAME = "#5ee6a8"                         # around the cells that are meant to win
BELOW, MIDDLE, ABOVE = "#4aa3ff", "#1d2129", "#ff9d3c"  # of signed numbers
Side = Sequence[Image.Image | str]        # what stands along one side, per cell


@dataclass(frozen=True)
class Matrix:
    """Numbers (rows, columns) and how to show them.

    low, high: values of the darkest and the lightest colour; low < 0 means signs count.
    framed, empty: cells with a frame, and cells without a value, (rows, columns) bool.
    beside: a text behind each row, under a heading.
    """

    values: np.ndarray
    rows: Side
    columns: Side
    low: float = 0.0
    high: float = 1.0
    framed: np.ndarray | None = None
    empty: np.ndarray | None = None
    beside: Sequence[str] = ()
    heading: str = ""
    across: str = ""   # what the columns are
    down: str = ""     # what the rows are


def colours(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """(…) to (…, 3) uint8: dark to pale; below zero blue, above orange if low < 0."""
    if low >= 0:
        share = ((values - low) / (high - low)).clip(0, 1)
        return colour_map()[(share * 255).round().astype(int)]
    stops = np.array([ImageColor.getrgb(c) for c in (BELOW, MIDDLE, ABOVE)], float)
    share = (values / max(-low, high)).clip(-1, 1)
    channels = [np.interp(share, [-1, 0, 1], stops[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def drawn(matrix: Matrix, cell: int = CELL, numbers: bool = True) -> Image.Image:
    """The matrix with its sides. cell: pixels of a cell's side."""
    rows, columns = matrix.values.shape
    top = PADDING + (26 if matrix.across else 0)
    left = PADDING + (26 if matrix.down else 0)
    x0, y0 = left + cell + GAP, top + cell + GAP
    wide = font(max(16, cell // 3))
    after = [matrix.heading, *matrix.beside]
    room = int(max(wide.getlength(text) for text in after)) + PADDING
    size = (x0 + columns * cell + room + PADDING, y0 + rows * cell + PADDING)
    canvas = Image.new("RGB", size, GROUND)
    draw = ImageDraw.Draw(canvas)
    draw.text((x0, PADDING), matrix.across, QUIET, font(19))
    write_upwards(canvas, matrix.down, (PADDING, y0))
    for n, one in enumerate(matrix.rows):
        put(canvas, one, (left, y0 + n * cell), cell)
    for n, one in enumerate(matrix.columns):
        put(canvas, one, (x0 + n * cell, top), cell)
    for row in range(rows):
        for column in range(columns):
            place = (x0 + column * cell, y0 + row * cell)
            draw_cell(draw, matrix, (row, column), place, cell, numbers)
    end = x0 + columns * cell + PADDING
    draw.text((end, y0 - 6), matrix.heading, QUIET, wide, anchor="ls")
    for n, text in enumerate(matrix.beside):
        draw.text((end, y0 + (n + 0.5) * cell), text, TEXT, wide, anchor="lm")
    return canvas


def draw_cell(
    draw: ImageDraw.ImageDraw,
    matrix: Matrix,
    at: tuple[int, int],
    place: tuple[int, int],
    cell: int,
    numbers: bool,
) -> None:
    """One value at `place`, its top left corner."""
    box = (place[0], place[1], place[0] + cell - GAP - 1, place[1] + cell - GAP - 1)
    if matrix.empty is not None and matrix.empty[at]:
        draw.line((box[0], box[3], box[2], box[1]), LINE, 2)
        return
    value = float(matrix.values[at])
    red, green, blue = (
        int(c) for c in colours(np.array(value), matrix.low, matrix.high)
    )
    draw.rectangle(box, (red, green, blue))
    if matrix.framed is not None and matrix.framed[at]:
        draw.rectangle(box, outline=FRAME, width=max(2, cell // 14))
    if numbers:
        light = 0.3 * red + 0.59 * green + 0.11 * blue
        ink = "#101216" if light > 120 else TEXT
        middle = (place[0] + cell / 2 - 1, place[1] + cell / 2 - 1)
        draw.text(middle, short(value), ink, font(cell // 3), anchor="mm")


def short(value: float) -> str:
    """Two digits: 0.07 as .07, and 12.3 as 12; whole numbers as they are."""
    whole = round(value) != 0 and abs(value - round(value)) < ROUNDING
    if whole or abs(value) >= 9.95:
        return f"{value:.0f}"
    text = f"{value:.1f}" if abs(value) >= 0.995 else f"{value:.2f}"
    return text.replace("0.", ".", 1).replace("-.00", ".00")


def put(
    canvas: Image.Image, one: Image.Image | str, place: tuple[int, int], cell: int
) -> None:
    """A picture or a word along a side."""
    if isinstance(one, str):
        middle = (place[0] + cell / 2, place[1] + cell / 2)
        size = font(cell // 3)
        ImageDraw.Draw(canvas).text(middle, one, QUIET, size, anchor="mm")
    else:
        side = (cell - GAP, cell - GAP)
        canvas.paste(one.resize(side, Image.Resampling.LANCZOS), place)


def write_upwards(canvas: Image.Image, text: str, place: tuple[int, int]) -> None:
    """A line of text from top to bottom, its top left corner at `place`."""
    if text:
        wide = int(font(19).getlength(text)) + 2
        strip = Image.new("RGB", (wide, 26), GROUND)
        ImageDraw.Draw(strip).text((0, 0), text, QUIET, font(19))
        canvas.paste(strip.rotate(-90, expand=True), (place[0] - 2, place[1]))
