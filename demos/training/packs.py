"""Image packs for training: one .npz of JPEG bytes each, decoded once into memory.

A pack holds `data` (uint8, all JPEGs one after the other), `offsets` (int64, N+1) and
perhaps `labels` (N).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

# Where pixels are kept, and what is made of them.
FOLDER = Path(os.environ.get("KB_VAR_DIR", "var")) / "training"


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


def decoded(path: Path, side: int, folder: Path) -> Tensor:
    """The same, decoded at the first call only: pixels are kept in `folder`.

    Processes that decode at once each write their own file; the last one stays.
    """
    state = path.stat()
    kept = folder / f"{path.stem}_{side}_{state.st_size}_{state.st_mtime_ns}.npy"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        fresh = kept.with_suffix(f".{os.getpid()}.npy")
        np.save(fresh, read_pack(path, side).numpy())
        fresh.replace(kept)
    return torch.from_numpy(np.load(kept))


def read_labels(path: Path) -> Tensor:
    """What each picture of a pack shows, (N,). Raises ValueError where none is said."""
    with np.load(path) as pack:
        if "labels" not in pack:
            raise ValueError(f"{path} has no `labels`: neighbours could not vote")
        return torch.from_numpy(pack["labels"].astype(np.int64))
