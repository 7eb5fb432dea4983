"""Points of several kinds on a plane whose axes mean nothing by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from demos.drawing.curves import FINE, SERIES
from demos.drawing.pictures import GROUND, LINE, TEXT
from demos.drawing.plots import draw_legend

SIZE, MARGIN = (640, 560), 24


@dataclass(frozen=True)
class Cloud:
    """Points (N, 2) with a name, drawn as dots. radius: of a dot, in pixels."""

    name: str
    points: np.ndarray
    radius: float = 4


def drawn(
    clouds: Sequence[Cloud], pairs: tuple[Cloud, Cloud], marked: int
) -> Image.Image:
    """The clouds, later ones over earlier ones, with the same scale both ways.

    pairs: two of them, row i of which are joined; the pair `marked` stands out.
    """
    canvas = Image.new("RGB", (SIZE[0] * FINE, SIZE[1] * FINE), GROUND)
    draw = ImageDraw.Draw(canvas)
    names = draw_legend(draw, [one.name for one in clouds], SIZE[0] * FINE)
    place = Placing.of(np.concatenate([one.points for one in clouds]), names)
    ends = [place(one.points) for one in pairs]
    for start, end in zip(*ends, strict=True):
        draw.line([*start, *end], LINE, FINE)
    for cloud, colour in zip(clouds, SERIES, strict=False):
        for point in place(cloud.points):
            draw.circle(tuple(point), cloud.radius * FINE, colour)
    draw.line([*ends[0][marked], *ends[1][marked]], TEXT, 2 * FINE)
    for end in ends:
        draw.circle(tuple(end[marked]), 9 * FINE, None, TEXT, 3 * FINE)
    return canvas.reduce(FINE)


@dataclass(frozen=True)
class Placing:
    """From points to pixels of the canvas."""

    scale: float
    middle: np.ndarray
    centre: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, top: float) -> Placing:
        """As large as all points allow, below what stands at the top."""
        low, high = points.min(0), points.max(0)
        edge = MARGIN * FINE
        room = np.array([SIZE[0] * FINE - 2 * edge, SIZE[1] * FINE - top - 2 * edge])
        scale = float((room / np.maximum(high - low, 1e-9)).min())
        centre = np.array([edge, top + edge]) + room / 2
        return cls(scale, (low + high) / 2, centre)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Upwards is up."""
        return self.centre + (points - self.middle) * self.scale * np.array([1, -1])
