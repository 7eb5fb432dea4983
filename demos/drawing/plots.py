"""Several curves over one pair of axes: to compare, where `curves` watches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from demos.drawing.curves import FINE, SERIES, draw_curve, round_ticks
from demos.drawing.pictures import GROUND, LINE, QUIET, TEXT, font

LETTER = 21 * FINE  # legible when a phone shows the plot at half its size
MOST_TICKS = 7
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """What lies along one side. log: equal factors are equally far apart."""

    title: str
    log: bool = False

    def ticks(self, values: np.ndarray) -> list[float]:
        """Round numbers that enclose the values."""
        low, high = float(values.min()), float(values.max())
        if not self.log:
            return round_ticks(low, high)
        tens = np.arange(np.floor(np.log10(low)) - 1, np.ceil(np.log10(high)) + 2)
        for steps in ((1, 2, 5), (1,)):
            grid = [float(f"{step}e{n:.0f}") for n in tens for step in steps]
            first = max(i for i, tick in enumerate(grid) if tick <= low)
            last = min(i for i, tick in enumerate(grid) if tick >= high)
            ticks = grid[first : max(last, first + 1) + 1]
            if len(ticks) <= MOST_TICKS:
                break
        return ticks

    def shares(self, values: np.ndarray, ticks: Sequence[float]) -> np.ndarray:
        """Values as shares of the way from the first tick to the last."""
        ends = np.array([ticks[0], ticks[-1]])
        if self.log:
            values, ends = np.log10(values), np.log10(ends)
        return (values - ends[0]) / (ends[1] - ends[0])


def plot(
    series: Mapping[str, Points], x: Axis, y: Axis, size: tuple[int, int] = (760, 500)
) -> Image.Image:
    """The curves with a dot at each point, named in their colours above.

    series: at least one, none empty; at most as many as there are colours.
    """
    canvas = Image.new("RGB", (size[0] * FINE, size[1] * FINE), GROUND)
    draw = ImageDraw.Draw(canvas)
    names = draw_legend(draw, list(series), size[0] * FINE)
    points = np.array([p for one in series.values() for p in one], dtype=float)
    across, up = x.ticks(points[:, 0]), y.ticks(points[:, 1])
    box = (100 * FINE, names + 44 * FINE, (size[0] - 40) * FINE, (size[1] - 82) * FINE)
    draw_axes(draw, box, (x, across), (y, up))
    for one, colour in zip(series.values(), SERIES, strict=False):
        at = np.array(one, dtype=float)
        left = box[0] + (box[2] - box[0]) * x.shares(at[:, 0], across)
        top = box[3] - (box[3] - box[1]) * y.shares(at[:, 1], up)
        places = [(float(a), float(b)) for a, b in zip(left, top, strict=True)]
        draw_curve(draw, places, colour)
        for place in places:
            draw.circle(place, 5 * FINE, colour)
    return canvas.reduce(FINE)


def draw_legend(draw: ImageDraw.ImageDraw, names: Sequence[str], width: int) -> float:
    """Each name in its colour, in lines as long as there is room; returns their end."""
    left, top = 24.0 * FINE, 14.0 * FINE
    for name, colour in zip(names, SERIES, strict=False):
        length = 30 * FINE + draw.textlength(name, font(LETTER)) + 26 * FINE
        if left > 24 * FINE and left + length > width:
            left, top = 24.0 * FINE, top + 1.4 * LETTER
        draw.line(
            [(left, top + LETTER / 2), (left + 20 * FINE, top + LETTER / 2)],
            colour, 4 * FINE,
        )
        draw.text((left + 28 * FINE, top), name, TEXT, font(LETTER))
        left += length
    return top + LETTER


def draw_axes(
    draw: ImageDraw.ImageDraw,
    box: tuple[float, float, float, float],
    x: tuple[Axis, Sequence[float]],
    y: tuple[Axis, Sequence[float]],
) -> None:
    """Lines at the ticks in the box (left, top, right, bottom), numbers and titles."""
    left, top, right, bottom = box
    for tick, share in zip(y[1], y[0].shares(np.array(y[1]), y[1]), strict=True):
        at = bottom - (bottom - top) * share
        draw.line([(left, at), (right, at)], LINE, FINE)
        draw.text((left - 10 * FINE, at), f"{tick:g}", QUIET, font(LETTER), "rm")
    for tick, share in zip(x[1], x[0].shares(np.array(x[1]), x[1]), strict=True):
        at = left + (right - left) * share
        draw.line([(at, top), (at, bottom)], LINE, FINE)
        draw.text((at, bottom + 8 * FINE), f"{tick:g}", QUIET, font(LETTER), "ma")
    draw.text((left, top - 8 * FINE), y[0].title, QUIET, font(LETTER), "ls")
    end = bottom + 10 * FINE + 1.3 * LETTER
    draw.text((right, end), x[0].title, QUIET, font(LETTER), "ra")
