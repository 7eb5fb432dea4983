"""Seeing what an augmentation drew: a generator with a diary, and how to read it.

The papers' modules draw from the generator that they are given and say what its numbers
became (`simclr.note`). So the pictures are the module's own, and so are the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Generator

from reference_impls.simclr import Augmentation

Box = tuple[float, float, float, float]  # left, top, right, bottom

COLOURS = ("brightness", "contrast", "saturation", "hue")
DONE = {
    "flip": "mirrored", "jitter": "colours changed", "greyscale": "made grey",
    "blur": "blurred", "solarize": "solarised",
}


class Diary(list[tuple[str, Any]]):
    """What was drawn; each line is a sign of life."""

    alive: Callable[[], None]

    def append(self, line: tuple[str, Any]) -> None:
        super().append(line)
        self.alive()


class Watcher(Generator):
    """A generator that keeps a diary."""

    diary: Diary


def watcher(seed: int, alive: Callable[[], None] = lambda: None) -> Watcher:
    """One at the start of its numbers. alive: called at each line of the diary."""
    made = Watcher()
    made.manual_seed(seed)
    made.diary = Diary()
    made.diary.alive = alive
    return made


@dataclass
class Drawn:
    """What became of one picture in one view."""

    how: Augmentation | None = None       # the distribution; None where none is named
    box: Box = (0, 0, 1, 1)               # what was cut out, in shares of the picture
    done: list[str] = field(default_factory=list)  # of DONE
    said: list[str] = field(default_factory=list)  # what was done after the cut
    colours: list[float] | None = None    # offsets, in the order of COLOURS
    sigma: float | None = None            # of the blur, in pixels
    tiles: list[Box] = field(default_factory=list)  # in pixels of the view
    order: list[int] = field(default_factory=list)  # which tile stands at each place

    @property
    def share(self) -> float:
        """The crop's, of the picture's area."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)

    def aspect(self, size: tuple[int, int]) -> float:
        """Width / height of what was cut out of a picture of this (width, height)."""
        left, top, right, bottom = self.box
        return (right - left) * size[0] / ((bottom - top) * size[1])

    def inside(self, part: Box, size: tuple[int, int]) -> Box:
        """A part of the view of this (width, height), as a box of the picture."""
        x = [part[0] / size[0], part[2] / size[0]]
        if "flip" in self.done:
            x = [1 - x[1], 1 - x[0]]
        left, top, right, bottom = self.box
        y = [part[1] / size[1], part[3] / size[1]]
        w, h = right - left, bottom - top
        return (left + w * x[0], top + h * y[0], left + w * x[1], top + h * y[1])

    def words(self, size: tuple[int, int]) -> str:
        """All of it, for a caption; size: (width, height) of the picture."""
        crop = f"{100 * self.share:.0f} % of the picture at {self.aspect(size):.2f} : 1"
        return ", ".join([crop, *self.said])

    def numbers(self) -> list[float]:
        """As NUMBERS names them: boxes, 0 or 1, offsets; NaN where not drawn."""
        chosen = [float(name in self.done) for name in DONE]
        offsets = self.colours or [np.nan] * len(COLOURS)
        return [*self.box, *chosen, *offsets, self.sigma or np.nan]


NUMBERS = ("left", "top", "right", "bottom", *DONE, *COLOURS, "sigma")


def signed(value: float) -> str:
    """With its sign, and a real minus."""
    return f"{round(value, 2) + 0.0:+.2f}".replace("-", "−")


def read(diary: Sequence[tuple[str, Any]]) -> list[Drawn]:
    """The views in the order they were drawn. diary: of a batch of one picture."""
    views: list[Drawn] = []
    how = None
    for what, value in diary:
        if what == "view":
            how = value
        elif what == "crop":
            views.append(Drawn(how, to_box(*(float(v[0]) for v in value))))
            how = None
        else:
            if not views:
                views.append(Drawn())
            enter(views[-1], what, value)
    return views


def to_box(x: float, y: float, w: float, h: float) -> Box:
    """Centre in [-1, 1] and shares of the sides, as edges in [0, 1]."""
    x, y = (1 + x) / 2, (1 + y) / 2
    return (x - w / 2, y - h / 2, x + w / 2, y + h / 2)


def enter(view: Drawn, what: str, value: Any) -> None:
    """One line of a diary; what is not asked for is passed over."""
    if what in DONE and value[0]:
        view.done.append(what)
        view.said.append(DONE[what])
    elif what == "colours":
        view.done.append("jitter")
        view.colours = value[0].tolist()
        pairs = zip(COLOURS, view.colours, strict=True)
        view.said += [f"{name} {signed(offset)}" for name, offset in pairs]
    elif what == "sigma":
        view.done.append("blur")
        view.sigma = float(value[0])
        view.said.append(f"blurred by {view.sigma:.1f} pixels")
    elif what == "tiles":
        left, top, side = value
        corners = zip(left[0].tolist(), top[0].tolist(), strict=True)
        view.tiles = [(x, y, x + side, y + side) for x, y in corners]
    elif what == "order":
        view.order = value[0].tolist()
