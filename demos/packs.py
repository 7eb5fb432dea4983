"""Image packs for training: one .npz of JPEG bytes each, decoded once into memory.

A pack holds `data` (uint8, all JPEGs one after the other) and `offsets` (int64, N+1).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def jpegs(path: Path, key: str = "data", offsets: str = "offsets") -> Iterator[bytes]:
    """Each image's bytes, in order. Raises ValueError on a file that is no pack."""
    with np.load(path) as pack:
        if key not in pack or offsets not in pack:
            raise ValueError(
                f"{path} holds {sorted(pack)}; a pack needs `{key}` and `{offsets}`"
            )
        blob, bounds = pack[key], pack[offsets]
    for start, end in pairwise(bounds):
        yield blob[start:end].tobytes()


def square(image: Image.Image, side: int) -> np.ndarray:
    """The centre square, resized: (side, side, 3) uint8."""
    image = image.convert("RGB")
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    box = (left, top, left + edge, top + edge)
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, box=box))


def read_pack(path: Path, side: int) -> Tensor:
    """A pack as (N, 3, side, side) uint8."""
    rows = [square(Image.open(io.BytesIO(data)), side) for data in jpegs(path)]
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2).contiguous()


def read_packs(paths: Sequence[Path], side: int) -> Tensor:
    """Several packs as one (N, 3, side, side) uint8."""
    return torch.cat([read_pack(path, side) for path in paths])
