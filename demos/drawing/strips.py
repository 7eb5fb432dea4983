"""Rows of gallery pictures with their breeds in colour and a number below each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from demos.drawing.curves import SERIES
from demos.drawing.pictures import GROUND, PADDING, QUIET, TEXT, font
from demos.pieces import pets

THUMB, COLUMNS, LETTER = 104, 6, 24


@dataclass(frozen=True)
class Strip:
    """One row: a title, the gallery's pictures in order, and a word for each."""

    title: str
    places: Sequence[int]
    words: Sequence[str]


def drawn(strips: Sequence[Strip]) -> Image.Image:
    """All rows below each other, long ones in several lines, the breeds named above."""
    lines = [-(-len(strip.places) // COLUMNS) for strip in strips]
    height = THUMB + 44
    width = COLUMNS * (THUMB + PADDING) + PADDING
    size = (width, 56 + sum(40 + n * height for n in lines) + PADDING)
    canvas = Image.new("RGB", size, GROUND)
    draw = ImageDraw.Draw(canvas)
    left = float(PADDING)
    for name, colour in zip(pets.BREEDS, SERIES, strict=False):
        draw.rectangle((left, 18, left + 20, 38), colour)
        draw.text((left + 28, 28), name, TEXT, font(LETTER), anchor="lm")
        left += 52 + font(LETTER).getlength(name)
    y = 56
    for strip, n in zip(strips, lines, strict=True):
        draw.text((PADDING, y + 20), strip.title, TEXT, font(LETTER), anchor="lm")
        draw_strip(canvas, draw, strip, y + 40, height)
        y += 40 + n * height
    return canvas


def draw_strip(
    canvas: Image.Image, draw: ImageDraw.ImageDraw, strip: Strip, y: int, height: int
) -> None:
    """One row's pictures from height y on."""
    for n, (place, word) in enumerate(zip(strip.places, strip.words, strict=True)):
        line, column = divmod(n, COLUMNS)
        x, top = PADDING + column * (THUMB + PADDING), y + line * height
        size = (THUMB, THUMB)
        picture = pets.pictures()[place].resize(size, Image.Resampling.LANCZOS)
        canvas.paste(picture, (x, top))
        under = (x, top + THUMB, x + THUMB - 1, top + THUMB + 7)
        draw.rectangle(under, SERIES[pets.LABELS[place]])
        middle = (x + THUMB / 2, top + THUMB + 11)
        draw.text(middle, word, QUIET, font(LETTER), anchor="ma")
