"""Signed numbers as colours: blue below zero, orange above, dark at zero."""

from __future__ import annotations

import numpy as np
from PIL import Image

from demos.drawing.matrices import colours

RULE = "Orange is more, blue less, dark no difference."


def signed_map(
    values: np.ndarray, size: tuple[int, int], limit: float | None = None
) -> Image.Image:
    """A map (rows, columns) at `size` (width, height), its cells left square.

    limit: the absolute value that gets the full colour; the largest one if None.
    """
    limit = limit or float(np.abs(values).max()) or 1.0
    drawn = Image.fromarray(colours(values, -limit, limit))
    return drawn.resize(size, Image.Resampling.NEAREST)
