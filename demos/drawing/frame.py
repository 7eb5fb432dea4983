"""A patch that was chosen: where it is, and a frame round it in pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from PIL import Image, ImageDraw

from demos.drawing.pictures import GROUND

COLOUR = "#7dd3fc"


@dataclass(frozen=True)
class Framed:
    """place: row and column, from 0, in a grid of (rows, columns)."""

    place: tuple[int, int]
    grid: tuple[int, int]

    @classmethod
    def at(
        cls, options: Mapping[str, int | float | str | bool], grid: tuple[int, int]
    ) -> Self:
        """The patch at the options y and x, shares of the way down and across."""
        shares = (float(options["y"]), float(options["x"]))
        row, column = (
            min(int(share * n), n - 1) for share, n in zip(shares, grid, strict=True)
        )
        return cls((row, column), grid)

    @property
    def index(self) -> int:
        """Its number, row by row."""
        return self.place[0] * self.grid[1] + self.place[1]

    def __str__(self) -> str:
        """In words, counted from 1."""
        (row, column), (rows, columns) = self.place, self.grid
        return f"row {row + 1} of {rows}, column {column + 1} of {columns}"

    def marked(self, picture: Image.Image) -> Image.Image:
        """The picture, which shows the whole grid, with a frame round the patch."""
        wide, high = picture.width / self.grid[1], picture.height / self.grid[0]
        line = max(2, picture.width // 200)
        left, top = self.place[1] * wide, self.place[0] * high
        right, bottom = left + wide - 1, top + high - 1
        framed = picture.copy()
        draw = ImageDraw.Draw(framed)
        outer = (left - line, top - line, right + line, bottom + line)
        draw.rectangle(outer, outline=GROUND, width=line)
        draw.rectangle((left, top, right, bottom), outline=COLOUR, width=line)
        return framed
