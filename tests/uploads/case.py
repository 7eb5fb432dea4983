"""One hostile file: how it is made, and how it should end."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

TAKEN = "taken"
LIMITS = (TAKEN, "undecodable", "too_large")  # by what the machine can do in four seconds


@dataclass(frozen=True)
class Case:
    """A file under a name that may lie.

    ends: TAKEN or codes of refusals, any of which is right. slow: takes seconds.
    """

    name: str
    make: Callable[[], bytes]
    ends: tuple[str, ...]
    slow: bool = False


def case(name: str, make: Callable[[], bytes], *ends: str, slow: bool = False) -> Case:
    """Short for a Case; without an ending it should be taken."""
    return Case(name, make, ends or (TAKEN,), slow)


def scene(size: tuple[int, int] = (96, 64), mode: str = "RGB") -> Image.Image:
    """A picture with something in it."""
    y, x = np.mgrid[: size[1], : size[0]]
    channels = np.stack([x * 2 % 256, y * 3 % 256, (x + y) % 256], axis=-1)
    return Image.fromarray(channels.astype(np.uint8)).convert(mode)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    """The file that Pillow makes of it."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def jpeg(**options: object) -> bytes:
    """A small good JPEG."""
    return encoded(scene(), "JPEG", **options)


def gif() -> bytes:
    """A small good GIF."""
    return encoded(scene(), "GIF")
