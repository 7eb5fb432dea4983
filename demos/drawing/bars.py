"""Bars with a picture in front of each: legible where a matrix is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from demos.drawing.curves import SERIES
from demos.drawing.pictures import GROUND, LINE, PADDING, QUIET, TEXT, font

WIDTH, THUMB, LETTER = 640, 72, 25


@dataclass(frozen=True)
class Bar:
    """One line: a picture or none, a word, and a value per series."""

    picture: Image.Image | None
    name: str
    values: tuple[float, ...]
    marked: bool = False


def drawn(
    bars: Sequence[Bar], series: Sequence[str], top: float, digits: int = 2
) -> Image.Image:
    """All bars, one below the other. top: the value of a full bar.

    series: names of what a line's values are, said above where there are several.
    """
    head = 44 if len(series) > 1 else 8
    height = max(THUMB, 34 + 26 * len(series)) + PADDING
    canvas = Image.new("RGB", (WIDTH, head + height * len(bars) + PADDING), GROUND)
    draw = ImageDraw.Draw(canvas)
    if len(series) > 1:
        name_series(draw, series)
    for n, bar in enumerate(bars):
        draw_bar(canvas, draw, bar, head + n * height, top, digits)
    return canvas


def name_series(draw: ImageDraw.ImageDraw, series: Sequence[str]) -> None:
    """Each name behind a patch of its colour."""
    left = float(PADDING)
    for name, colour in zip(series, SERIES, strict=False):
        draw.rectangle((left, 16, left + 20, 36), colour)
        draw.text((left + 28, 26), name, TEXT, font(LETTER), anchor="lm")
        left += 56 + font(LETTER).getlength(name)


def draw_bar(
    canvas: Image.Image,
    draw: ImageDraw.ImageDraw,
    bar: Bar,
    y: int,
    top: float,
    digits: int,
) -> None:
    """One line at height y."""
    left = PADDING
    if bar.picture:
        size = (THUMB, THUMB)
        canvas.paste(bar.picture.resize(size, Image.Resampling.LANCZOS), (left, y))
        if bar.marked:
            box = (left, y, left + THUMB - 1, y + THUMB - 1)
            draw.rectangle(box, outline="#5ee6a8", width=5)
        left += THUMB + PADDING
    right = WIDTH - PADDING - 86
    ink = TEXT if bar.marked else QUIET
    draw.text((left, y + 12), bar.name, ink, font(LETTER), anchor="lm")
    for n, (value, colour) in enumerate(zip(bar.values, SERIES, strict=False)):
        at = y + 34 + 26 * n
        long = (right - left) * min(1.0, max(0.0, value / top))
        draw.rectangle((left, at, right, at + 19), LINE)
        draw.rectangle((left, at, left + long, at + 19), colour)
        text = f"{value:.{digits}f}"
        draw.text((right + 10, at + 10), text, TEXT, font(LETTER), anchor="lm")


def headed(questions: Sequence[Image.Image], below: Image.Image) -> Image.Image:
    """Pictures large above what is about them."""
    edge = 160
    canvas = Image.new("RGB", (below.width, below.height + edge + 2 * PADDING), GROUND)
    for n, question in enumerate(questions):
        large = question.resize((edge, edge), Image.Resampling.LANCZOS)
        canvas.paste(large, (PADDING + n * (edge + PADDING), PADDING))
    canvas.paste(below, (0, edge + 2 * PADDING))
    return canvas
