"""A colour map in steps that look equal, without a plotting library."""

from __future__ import annotations

from functools import cache

import numpy as np

# Night blue to pale yellow, each stop lighter than the one before.
STOPS = ("#0b0a26", "#3b1470", "#8c2378", "#d5435a", "#f78a3b", "#fbc95c", "#fdf7c3")


@cache
def colour_map() -> np.ndarray:
    """256 RGB colours, (256, 3) uint8, in equal steps to the eye.

    The stops are joined in OKLab (Ottosson 2020), where distance is perceived
    difference, and the way is then walked at constant speed.
    """
    stops = np.array([[int(s[i : i + 2], 16) for i in (1, 3, 5)] for s in STOPS]) / 255
    lab = to_oklab(stops)                                             # (7, 3)
    far = np.linalg.norm(np.diff(lab, axis=0), axis=1).cumsum()
    at = np.concatenate([[0], far / far[-1]])                         # (7,)
    walk = np.linspace(0, 1, 256)
    path = np.stack([np.interp(walk, at, channel) for channel in lab.T], axis=1)
    return (from_oklab(path).clip(0, 1) * 255).round().astype(np.uint8)


TO_CONES = np.array([
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
])
TO_LAB = np.array([
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
])


def to_oklab(srgb: np.ndarray) -> np.ndarray:
    """(…, 3) sRGB in [0, 1] to OKLab."""
    linear = np.where(srgb > 0.04045, ((srgb + 0.055) / 1.055) ** 2.4, srgb / 12.92)
    return np.cbrt(linear @ TO_CONES.T) @ TO_LAB.T


def from_oklab(lab: np.ndarray) -> np.ndarray:
    """(…, 3) OKLab to sRGB; may lie outside [0, 1]."""
    cones = (lab @ np.linalg.inv(TO_LAB).T) ** 3
    linear = (cones @ np.linalg.inv(TO_CONES).T).clip(0)
    curved = 1.055 * linear ** (1 / 2.4) - 0.055
    return np.where(linear > 0.0031308, curved, 12.92 * linear)


def hues(n: int) -> np.ndarray:
    """n colours of one lightness round the circle of hues, (n, 3) uint8."""
    turn = 2 * np.pi * np.arange(n) / n + 0.5
    lab = np.stack([0 * turn + 0.76, 0.15 * np.cos(turn), 0.15 * np.sin(turn)], axis=1)
    return (from_oklab(lab).clip(0, 1) * 255).round().astype(np.uint8)


def stretched(values: np.ndarray) -> np.ndarray:
    """Smallest value to 0, largest to 1; a constant array to 0."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)
