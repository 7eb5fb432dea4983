"""What a paper's own `views` makes of one picture, and how that was drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from inspect import signature
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from demos.drawing import pictures
from demos.intake import images
from demos.pieces.hiding import HIDDEN, on_pixels
from demos.pieces.watching import Box, Drawn, Watcher, read
from reference_impls.simclr import MEAN, STD

SIDE = 224  # the papers' views have it, and their blur is measured in its pixels
FEWER = {"permutations": 24}  # to choose the paper's 1000 takes seconds
GAP = 10    # pixels between tiles


@dataclass(frozen=True)
class View:
    """One thing that the network gets."""

    picture: Image.Image
    drawn: Drawn
    pixels: Tensor  # (3, S, S), or tiles (n, 3, s, s), as the network reads them


def subject(module: ModuleType, picture: Image.Image) -> Image.Image:
    """What views are cut from: the whole picture, or its middle square for tiles."""
    if hasattr(module, "cut_tiles"):
        return images.square(picture, SIDE).display
    return picture


def pixels_of(picture: Image.Image) -> Tensor:
    """The whole picture, SIDE high, (1, 3, SIDE, W) in [0, 1]."""
    width = max(1, round(picture.width * SIDE / picture.height))
    small = picture.resize((width, SIDE), Image.Resampling.LANCZOS)
    return torch.from_numpy(images.to_array(small))[None]


def settings(module: ModuleType) -> dict[str, Any]:
    """The paper's own sizes, for a `views` that can be told some."""
    paper = module.Config()
    fewer = {name: n for name, n in FEWER.items() if hasattr(paper, name)}
    paper = replace(paper, **fewer)
    values = {**vars(paper), "config": paper}
    return {n: values[n] for n in signature(module.views).parameters if n in values}


def seen(
    module: ModuleType, pixels: Tensor, generator: Watcher, told: Mapping[str, Any]
) -> list[View]:
    """One draw. pixels: (1, 3, H, W) in [0, 1]; told: more arguments of `views`."""
    generator.diary.clear()
    made = module.views(pixels, generator, **told)
    views, hidden = tensors(made), masks(made)
    drawn = read(generator.diary)
    shown = [shape_up(view, hasattr(module, "normalize_tiles")) for view in views]
    for i, mask in enumerate(hidden):
        shown[i] = covered(shown[i], mask)
        if mask.any():
            said = f"{mask.sum()} of {mask.size} patches hidden, in flat grey"
            drawn[i].said.append(said)
    return [View(*parts) for parts in zip(shown, drawn, views, strict=True)]


def tensors(made: Any) -> list[Tensor]:
    """Everything among what `views` gives that is a picture, or a picture's tiles."""
    if isinstance(made, Tensor):
        return list(made) if made.is_floating_point() and made.ndim >= 4 else []
    return [one for part in made for one in tensors(part)]


def masks(made: Any) -> list[np.ndarray]:
    """What is hidden from the network of the first views, each (rows, columns)."""
    found = [] if isinstance(made, Tensor) else made
    flat = [m for part in found if torch.is_tensor(part) and part.dtype == torch.bool
            for m in part.cpu().numpy()]
    return [m.reshape(round(m.size**0.5), -1) for m in flat]


def covered(picture: Image.Image, mask: np.ndarray) -> Image.Image:
    """The picture with its hidden patches, True in (rows, columns), in flat grey."""
    inside = on_pixels(mask, picture.height)
    array = images.to_array(picture)
    grey = np.array(HIDDEN)[:, None, None]
    return images.from_array(np.where(inside, grey, array))


def shape_up(view: Tensor, by_tile: bool) -> Image.Image:
    """A view in colours, tiles as a square of tiles.

    by_tile: each was normalised by itself, so its own brightness is unknown.
    """
    if by_tile:
        view = 0.5 + view / 5
    else:
        mean, std = (view.new_tensor(v).view(3, 1, 1) for v in (MEAN, STD))
        view = view * std + mean
    if view.ndim == 3:
        return images.from_array(view.cpu().numpy())
    return puzzle([images.from_array(tile) for tile in view.cpu().numpy()])


def puzzle(tiles: list[Image.Image], gap: int = GAP) -> Image.Image:
    """Tiles row by row in a square."""
    n, side = round(len(tiles) ** 0.5), tiles[0].width
    step = side + gap
    canvas = Image.new("RGB", (n * step - gap,) * 2, pictures.GROUND)
    for i, tile in enumerate(tiles):
        canvas.paste(tile, (i % n * step, i // n * step))
    return canvas


def shared(one: Box, other: Box) -> float:
    """Share of the first box that lies in the other."""
    w = min(one[2], other[2]) - max(one[0], other[0])
    h = min(one[3], other[3]) - max(one[1], other[1])
    area = (one[2] - one[0]) * (one[3] - one[1])
    return max(0.0, w) * max(0.0, h) / area
