"""Curves over steps: what a training run is watched by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from demos.drawing.pictures import GROUND, LINE, QUIET, TEXT, font

FINE = 2  # drawn this many times larger
SERIES = ("#f7a13e", "#6cb6ff", "#7fd48a", "#e58ad8", "#e0d36a")


def curves(
    series: Mapping[str, Sequence[tuple[int, float]]],
    size: tuple[int, int] = (720, 300),
) -> Image.Image:
    """Each series in a strip of its own over one step axis. size: of one strip.

    Drawn twice as large and reduced, because Pillow's lines have hard edges.
    """
    shown = {name: points for name, points in series.items() if points}
    width, height = size[0], size[1] * max(1, len(shown))
    canvas = Image.new("RGB", (width * FINE, height * FINE), GROUND)
    for i, (name, points) in enumerate(shown.items()):
        box = (0, i * size[1], width, (i + 1) * size[1])
        plot(canvas, box, name, points, SERIES[i % len(SERIES)])
    return canvas.reduce(FINE)


def plot(
    canvas: Image.Image,
    box: tuple[int, int, int, int],
    name: str,
    points: Sequence[tuple[int, float]],
    colour: str,
) -> None:
    """One curve with ticks and title in the box (left, top, right, bottom)."""
    draw, small = ImageDraw.Draw(canvas), font(14 * FINE)
    left, top, right, bottom = (
        FINE * v for v in (box[0] + 76, box[1] + 48, box[2] - 28, box[3] - 36)
    )
    steps, values = (np.array(axis, dtype=float) for axis in zip(*points, strict=True))
    ticks = round_ticks(float(values.min()), float(values.max()))
    low, high = ticks[0], ticks[-1]
    first, last = steps[0], max(steps[-1], steps[0] + 1)

    def place(step: float, value: float) -> tuple[float, float]:
        x = left + (right - left) * (step - first) / (last - first)
        return x, bottom - (bottom - top) * (value - low) / (high - low)

    for value in ticks:
        y = place(first, value)[1]
        draw.line([(left, y), (right, y)], LINE, FINE)
        draw.text((left - 10 * FINE, y), f"{value:g}", QUIET, small, anchor="rm")
    for step in step_ticks(int(first), int(last)):
        at = (place(step, low)[0], bottom + 10 * FINE)
        draw.text(at, str(step), QUIET, small, anchor="ma")
    draw.text((left, top - 18 * FINE), name, TEXT, font(18 * FINE), anchor="ls")
    draw.text((right, top - 18 * FINE), "by step", QUIET, small, anchor="rs")
    draw_curve(draw, [place(s, v) for s, v in zip(steps, values, strict=True)], colour)


def round_ticks(low: float, high: float) -> list[float]:
    """Three to seven round numbers that enclose the range."""
    span = (high - low) or max(abs(high), 1.0) * 0.1
    unit = 10 ** np.floor(np.log10(span / 2))
    pace = next(unit * k for k in (1, 2, 5, 10) if span / (unit * k) <= 5)
    start, end = np.floor(low / pace), np.ceil(high / pace)
    counts = np.arange(start, max(end, start + 1) + 1)
    return [float(f"{n * pace:.6g}") for n in counts]


def step_ticks(first: int, last: int) -> list[int]:
    """Round numbers of steps, none beyond the first and the last."""
    whole = (int(n) for n in round_ticks(first, last) if n % 1 == 0)
    return [n for n in whole if first <= n <= last]


def draw_curve(
    draw: ImageDraw.ImageDraw, places: Sequence[tuple[float, float]], colour: str
) -> None:
    """A line through the places, or a dot if there is one only."""
    if len(places) == 1:
        draw.circle(places[0], 4 * FINE, colour)
    else:
        draw.line(list(places), colour, width=2 * FINE, joint="curve")
