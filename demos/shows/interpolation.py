"""Interpolation demo: a picture of another size, its places resampled in four ways."""

from __future__ import annotations

from copy import copy
from typing import get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from demos.drawing import pictures, signed, tiles
from demos.intake import images
from demos.listening import listening
from demos.pieces import maps, tokens
from demos.pieces.features import principal_colours
from demos.scene import Numbers, Scene
from reference_impls.vit import Interpolation

WAYS = get_args(Interpolation)
USED_BY = {
    "bilinear_corners": "the official ViT code", "bicubic_antialias": "timm and DINOv2",
    "bicubic": "DeiT", "dino": "DINO",
}
CELL = 300


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """Read the picture once per way; draw the places, the maps and what differs."""
    loaded, options = scene.loaded, scene.options
    layer = tokens.layer_index(int(options["layer"]), loaded.depth)
    patch = loaded.patch_size
    side = max(patch, round(float(options["scale"]) * loaded.image_side))
    fitted = images.fit(scene.picture, min(side, tokens.MAX_GRID * patch), patch)
    read = scene.stage("ways", lambda: read_ways(scene, fitted))
    grid, own = fitted.grid(patch), str(loaded.model.interpolation)
    found = maps.on_grid(torch.from_numpy(read["attention"][:, layer]), grid)
    named = dict(zip(WAYS, found, strict=True))                  # (rows, columns) each
    moved = {way: 0.5 * float(np.abs(one - named[own]).sum())
             for way, one in named.items()}
    alike = dict(zip(WAYS, likeness(read["features"], WAYS.index(own)), strict=True))
    draw_maps(scene, fitted, named, moved, layer)
    draw_places(scene, grid)
    scene.recorder.table(
        "ways", f"Against the model's own way, {own}.",
        ["way", "used by", "attention that moves", "cosine of patch features"],
        [[w, USED_BY[w], f"{100 * moved[w]:.2f} %", f"{alike[w]:.5f}"] for w in WAYS],
    )
    scene.recorder.arrays(
        "maps", "The class token's attention, mean over heads, (rows, columns) for "
        "each way.", **named,
    )
    return {
        "layer": layer, "layers": loaded.depth, "trained_side_px": loaded.image_side,
        "places": int(loaded.model.grid) ** 2,  # type: ignore[arg-type]
        "patches": grid[0] * grid[1],
        **{f"moved_by_{way}": v for way, v in moved.items() if way != own},
    }


# Reading


def resampling_in(model: nn.Module, way: str) -> nn.Module:
    """The model, its weights shared, with another way of resampling its places."""
    other = copy(model)
    other.interpolation = way  # type: ignore[assignment]
    return other


def read_ways(scene: Scene, fitted: images.Fitted) -> dict[str, np.ndarray]:
    """The expensive stage: `attention` (4, L, N), `features` (4, N, D), per way."""
    scene.recorder.progress(0, len(WAYS), "The model reads the picture")
    model, prefix = scene.loaded.model, scene.loaded.num_prefix
    rows, features = [], []
    with listening(model, scene.recorder.alive):
        for i, way in enumerate(WAYS):
            x = resampling_in(model, way).embed(tokens.pixels(scene, fitted))
            means = []
            for block in model.blocks:
                x, weights = block.attend(x)
                means.append(maps.to_patches(weights[0], prefix).mean(0))
            rows.append(torch.stack(means))
            features.append(model.norm(x)[0, prefix:])
            scene.recorder.progress(i + 1, len(WAYS), way)
    return {
        "attention": torch.stack(rows).float().cpu().numpy(),
        "features": torch.stack(features).float().cpu().numpy(),
    }


def likeness(features: np.ndarray, own: int) -> list[float]:
    """Mean cosine of each way's patch features with those of the own way."""
    unit = features / np.linalg.norm(features, axis=-1, keepdims=True)
    return [float((one * unit[own]).sum(-1).mean()) for one in unit]


def places(model: nn.Module, grid: tuple[int, int]) -> list[Tensor]:
    """The table as trained, (1, N, D), and in each way resampled for a grid."""
    own = (int(model.grid),) * 2  # type: ignore[arg-type]
    wanted = [(model, own), *((resampling_in(model, way), grid) for way in WAYS)]
    return [one.positions(hw)[:, -hw[0] * hw[1]:] for one, hw in wanted]


# Pictures


def draw_maps(
    scene: Scene, fitted: images.Fitted, named: dict[str, np.ndarray],
    moved: dict[str, float], layer: int,
) -> None:
    """Each way's map, and below it what differs from the model's own."""
    own = str(scene.loaded.model.interpolation)
    small = tiles.small(fitted, CELL)
    differences = {w: one - named[own] for w, one in named.items() if w != own}
    limit = max(float(np.abs(d).max()) for d in differences.values())
    drawn = [pictures.overlay(small, one, 0.6) for one in named.values()]
    below = [signed.signed_map(d, small.size, limit) for d in differences.values()]
    names = [f"{way} (own)" if way == own else way for way in named]
    side = scene.loaded.image_side
    size = f"{fitted.image.width} × {fitted.image.height}"
    said = ", ".join(f"{w} {100 * v:.1f} %" for w, v in moved.items() if w != own)
    grid = named[own].shape
    scene.recorder.picture(
        "maps", tiles.sheet(drawn, names, 2),
        f"The class token's attention in layer {layer}, mean over heads, at {size} "
        f"pixels: the model was trained at {side}, so its places are resampled for "
        f"{grid[0]} × {grid[1]} patches, in four ways. Attention that moves against "
        f"the model's own way: {said}. {fitted.note}",
        "Four heat maps over the picture: "
        + "; ".join(f"{w}: {maps.described(m)}" for w, m in named.items()) + ".",
    )
    scene.recorder.picture(
        "differences", tiles.sheet(below, list(differences), 2),
        f"What the eye does not see above: each map less that of the model's own way, "
        f"{own}, on one scale, the strongest colour {100 * limit:.2f} % of the "
        f"attention. {signed.RULE} The way matters little at a grid like this one, and "
        "numbers still differ: use weights with the way that they were trained for.",
        f"Three maps of differences; attention that moves: {said}.",
    )


def draw_places(scene: Scene, grid: tuple[int, int]) -> None:
    """The tables of places as little pictures: as trained, and resampled."""
    tables = places(scene.loaded.model, grid)
    joined = torch.cat([table[0] for table in tables]).float().cpu()
    parts = principal_colours(joined).split([t.shape[1] for t in tables])
    trained = int(scene.loaded.model.grid)  # type: ignore[arg-type]
    sides = [(trained, trained), *[grid] * len(WAYS)]
    drawn = [
        painted(part.view(*side, 3).numpy())
        for part, side in zip(parts, sides, strict=True)
    ]
    scene.recorder.picture(
        "places", pictures.sheet(pictures.framed(drawn), ["as trained", *WAYS], 2),
        "The position embeddings as pictures: like colours are like vectors (their "
        "three main directions, one scale for all). This table is what is resampled, "
        "as if it were a small picture with many channels.",
        f"A table of {trained} × {trained} coloured squares, and four of "
        f"{grid[0]} × {grid[1]}.",
    )


def painted(colours: np.ndarray) -> Image.Image:
    """Colours (rows, columns, 3) in [0, 1] as a picture of square cells."""
    edge = max(1, CELL // max(colours.shape[:2]))
    tiny = Image.fromarray((colours * 255).round().astype(np.uint8))
    return pictures.crisp(tiny, edge)
