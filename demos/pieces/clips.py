"""Clips for models: of a length and size that suits them, and back to pictures.

A picture that does not move becomes a clip too: a window pans across it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from demos.intake import images
from demos.intake.packing import NOTE

PAN_FRAMES = 24
PAN_SIDE = 320            # of the picture, the shorter one; more only costs time
PAN_WINDOW = (0.85, 0.7)  # share of both sides that is seen, at first and at last
PAN_PATH = ((0.0, 0.2), (1.0, 0.8))  # where in the room that is left: (x, y) from, to
MAX_ASPECT = 2.0          # a strip is cut to this
PANNED = (
    "Panned from a still: a window glides across it, nothing in it moves by itself."
)


@dataclass(frozen=True)
class Clip:
    """What a demo of video looks at. note: what was done to it, for captions."""

    pixels: Tensor  # (3, T, H, W) in [0, 1]
    panned: bool
    note: str

    @property
    def length(self) -> int:
        """Frames."""
        return self.pixels.shape[1]

    def images(self) -> list[Image.Image]:
        """The frames as pictures."""
        return to_images(self.pixels)


def prepared(
    frames: Sequence[Image.Image], short: int, multiple: int = 1, least: int = 2
) -> Clip:
    """The frames in one size, the shorter side `short` or a little less.

    Both sides are multiples of `multiple`. A clip of fewer than `least` frames is
    slowed down: each is shown several times. One picture is panned.
    """
    if panned := len(frames) == 1:
        frames = pan(frames[0], max(PAN_FRAMES, least))
    size = sides(frames[0].size, short, multiple)
    fitted = (ImageOps.fit(frame, size, Image.Resampling.LANCZOS) for frame in frames)
    pixels = np.stack([images.to_array(frame) for frame in fitted], 1)
    said = f", {frames[0].info[NOTE]}" if NOTE in frames[0].info else ""
    note = PANNED if panned else f"{len(frames)} frames of the clip{said}."
    if len(frames) < least:
        pixels = pixels[:, np.arange(least) * len(frames) // least]
        note = f"The clip's {len(frames)} frames{said}, slowed down to {least}."
    return Clip(torch.from_numpy(pixels.copy()), panned, note)


def sides(size: tuple[int, int], short: int, multiple: int) -> tuple[int, int]:
    """Width and height of about this aspect, but no strip."""
    w, h = size
    aspect = min(MAX_ASPECT, max(w, h) / min(w, h))
    less, more = (int(n / multiple) * multiple for n in (short, short * aspect))
    return (more, less) if w >= h else (less, more)


def pan(picture: Image.Image, length: int) -> list[Image.Image]:
    """A window that moves and closes in, at a steady pace."""
    scale = min(1.0, PAN_SIDE / min(picture.size))
    picture = picture.resize([max(1, round(n * scale)) for n in picture.size])
    w, h = sides(picture.size, min(picture.size), 1)  # of the part that is panned
    left, top = (picture.width - w) / 2, (picture.height - h) / 2
    ends = []
    for share, (across, down) in zip(PAN_WINDOW, PAN_PATH, strict=True):
        x, y = left + across * w * (1 - share), top + down * h * (1 - share)
        ends.append(np.array([x, y, x + w * share, y + h * share]))
    first, last = ends
    size = (round(w * PAN_WINDOW[1]), round(h * PAN_WINDOW[1]))
    size = (max(1, size[0]), max(1, size[1]))
    return [
        picture.resize(size, Image.Resampling.BICUBIC, box=tuple(box))
        for box in np.linspace(first, last, length).clip(0, picture.size * 2).tolist()
    ]


def to_images(pixels: Tensor) -> list[Image.Image]:
    """(3, T, H, W) in [0, 1], clipped, as T pictures."""
    return [images.from_array(one.numpy()) for one in pixels.float().cpu().unbind(1)]
