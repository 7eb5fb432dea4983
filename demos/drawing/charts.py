"""Dots and bars over a pair of axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from demos.drawing.curves import FINE, SERIES
from demos.drawing.pictures import ALARM, GROUND, QUIET, font
from demos.drawing.plots import LETTER, Axis, draw_axes

SIZE = (760, 480)


class Chart:
    """A pair of axes to draw on. Places are in the axes' own units."""

    def __init__(
        self, x: Axis, y: Axis, xs: np.ndarray, ys: np.ndarray,
        size: tuple[int, int] = SIZE,
    ):
        """xs, ys: values that the axes must enclose."""
        self.x, self.y, self.size = x, y, size
        self.across, self.up = x.ticks(xs), y.ticks(ys)
        self.canvas = Image.new("RGB", (size[0] * FINE, size[1] * FINE), GROUND)
        self.draw = ImageDraw.Draw(self.canvas)
        right, bottom = FINE * (size[0] - 40), FINE * (size[1] - 82)
        self.box = (FINE * 100, FINE * 56, right, bottom)
        draw_axes(self.draw, self.box, (x, self.across), (y, self.up))

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where on the canvas a place lies."""
        left, top, right, bottom = self.box
        across = float(self.x.shares(np.array([x]), self.across)[0])
        up = float(self.y.shares(np.array([y]), self.up)[0])
        return left + (right - left) * across, bottom - (bottom - top) * up

    def dots(self, points: Sequence[tuple[float, float]], radius: float = 6) -> None:
        """A dot for each point, seen through where several meet."""
        for point in points:
            self.draw.circle(
                self.at(*point), radius * FINE, None, SERIES[0], round(2.5 * FINE)
            )

    def bars(self, edges: np.ndarray, heights: np.ndarray, colour: str) -> None:
        """Bars from zero, side by side."""
        for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
            if height:
                (start, floor), (end, top) = self.at(left, 0), self.at(right, height)
                end = max(start, end - 2 * FINE)
                self.draw.rectangle((start, top, end, floor), colour)

    def level(self, name: str, value: float) -> None:
        """A line across at a height, its name above the axes in its colour."""
        start, end = self.at(self.across[0], value), self.at(self.across[-1], value)
        self.draw.line([start, end], SERIES[1], 2 * FINE)
        corner = (self.box[2], self.box[1] - 8 * FINE)
        self.draw.text(corner, name, SERIES[1], font(LETTER), anchor="rs")

    def mark(self, name: str, value: float) -> None:
        """An upright line at a value, with its name at the top."""
        start, end = self.at(value, self.up[0]), self.at(value, self.up[-1])
        self.draw.line([start, end], ALARM, 2 * FINE)
        middle = (self.box[0] + self.box[2]) / 2
        side, shift = ("rs", -8) if end[0] > middle else ("ls", 8)
        self.draw.text(
            (end[0] + shift * FINE, end[1] + 26 * FINE), name, QUIET, font(LETTER), side
        )

    def drawn(self) -> Image.Image:
        """The picture, reduced, because Pillow's edges are hard."""
        return self.canvas.reduce(FINE)
