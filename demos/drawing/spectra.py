"""How fast a map changes from place to place: Fourier amplitudes. No torch."""

from __future__ import annotations

import numpy as np

RINGS = 10
FASTEST = 0.5  # cycles per place: up and down from each to the next


def amplitudes(maps: np.ndarray) -> np.ndarray:
    """(rows, columns, C) to the root mean square over channels, slow in the middle."""
    planes = np.fft.fft2(maps, axes=(0, 1)) / np.sqrt(maps.shape[0] * maps.shape[1])
    power = np.square(np.abs(planes)).mean(-1)
    return np.fft.fftshift(np.sqrt(power))


def speeds(shape: tuple[int, ...]) -> np.ndarray:
    """Cycles per place of each number that `amplitudes` gives, (rows, columns)."""
    down, across = (np.fft.fftshift(np.fft.fftfreq(n)) for n in shape[:2])
    return np.hypot(down[:, None], across)


def rings(maps: np.ndarray) -> list[tuple[float, float]]:
    """(frequency, amplitude) in rings of equal width; the mean, at 0, is left out.

    Rings without any number, as small maps have, are left out too.
    """
    power, speed = np.square(amplitudes(maps)), speeds(maps.shape)
    ring = np.ceil(speed / FASTEST * RINGS).astype(int)
    found = [(n, power[ring == n]) for n in range(1, RINGS + 1)]
    middle = FASTEST / RINGS
    return [(middle * (n - 0.5), float(np.sqrt(p.mean()))) for n, p in found if p.size]
