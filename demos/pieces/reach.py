"""Which part of an input an output comes from, asked of the code that makes it.

Views are smooth in the pixels they are cut from: where the derivative is not zero, a
pixel was read. So nothing needs to be known of how a view is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

Views = Callable[[Tensor, Generator], object]
NOTHING = 1e-6  # of the largest derivative: what is left of resizing at the rim


@dataclass(frozen=True)
class Reach:
    """Where in a clip of T frames a view looks."""

    times: np.ndarray                # (T,) bool: frames that are read
    box: tuple[int, int, int, int]   # left, top, right, bottom, in pixels


def tensors(batch: object) -> Iterator[Tensor]:
    """Every tensor of real numbers in a batch, however it is packed."""
    if isinstance(batch, Tensor):
        if batch.is_floating_point():
            yield batch
    elif isinstance(batch, tuple | list):
        for part in batch:
            yield from tensors(part)


def reaches(
    make: Views, clip: Tensor, seed: int, split: Callable[[object], list[Tensor]]
) -> Iterator[Reach]:
    """What each view reads of a clip (3, T, H, W), if drawn with this seed.

    split: takes what `make` gives apart into views. A clip of quiet noise stands in for
    the real one: its colours stay clear of black and white, where changes vanish.
    """
    noise = torch.rand(clip.shape, generator=torch.Generator().manual_seed(0))
    probe = (0.4 + 0.1 * noise).to(clip).requires_grad_()
    views = split(make(probe[None], torch.Generator().manual_seed(seed)))
    for view in views:
        weights = torch.randn(view.shape, generator=torch.Generator().manual_seed(1))
        total = (view * weights.to(view)).sum()
        (slope,) = torch.autograd.grad(total, probe, retain_graph=True)
        read = slope.abs().amax(0)                               # (T, H, W)
        yield extent((read > NOTHING * read.max()).cpu().numpy())


def extent(read: np.ndarray) -> Reach:
    """Times and the smallest box around all that is True, (T, H, W)."""
    rows, columns = (np.flatnonzero(read.any((0, axis))) for axis in (2, 1))
    left, top = int(columns[0]), int(rows[0])
    box = (left, top, int(columns[-1]) + 1, int(rows[-1]) + 1)
    return Reach(np.asarray(read.any((1, 2))), box)
