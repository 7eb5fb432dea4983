"""Position demo: how much the vector of each place resembles those of all others.

No picture takes part: the vectors belong to the model.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from demos.drawing import pictures
from demos.drawing.colour import colour_map
from demos.drawing.frame import Framed
from demos.scene import Numbers, Scene

LARGE = 640  # pixels, about, of all maps together
GAP = 4
KINDS = {
    "learnt": "of this model",
    "sines and cosines": "a fixed rule instead of learning",
    "random": "as learning starts",
}


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """Draw all maps of the learnt places, one map large, and two kinds to compare."""
    found = similarities(scene)
    grid = found["learnt"].shape[:2]
    at = Framed.at(scene.options, grid)
    draw_all(scene, found["learnt"], at)
    draw_one(scene, found, at)
    scene.recorder.picture(
        "rule", all_maps(found["sines and cosines"], at),
        "The same for positions by a fixed rule of sines and cosines, which later code "
        "of the same authors uses: nothing is learnt, and the plane is there from the "
        "start.", "A grid of maps, bright along each place's row and column.",
    )
    scene.recorder.arrays(
        "similarities", "Cosines (row, column, other row, other column).",
        **{name.replace(" ", "_"): one for name, one in found.items()},
    )
    scene.recorder.progress(1, 1, "Done")
    return count(found["learnt"], at)


def similarities(scene: Scene) -> dict[str, np.ndarray]:
    """Each kind's cosines of all places with all, (g, g, g, g)."""
    scene.recorder.progress(0, 1, "Comparing all places with all")
    module, model = scene.module, scene.loaded.model
    grid = (int(model.grid),) * 2  # type: ignore[arg-type]
    own = model.positions(grid).float().cpu()                    # (1, prefix + N, D)
    N, D = grid[0] * grid[1], own.shape[-1]
    start = torch.randn(1, N, D, generator=torch.Generator().manual_seed(0))
    tables = (own[:, -N:], module.sincos_2d_pos_embed(*grid, D), start)
    return {
        name: module.pos_embed_similarity(table, grid, num_prefix=0).numpy()
        for name, table in zip(KINDS, tables, strict=True)
    }


def count(learnt: np.ndarray, at: Framed) -> Numbers:
    """How like the chosen place are its neighbours, its row and column, the rest."""
    (row, column), (rows, columns) = at.place, at.grid
    one = learnt[row, column]                                    # (g, g)
    y, x = np.mgrid[:rows, :columns]
    away = np.abs(y - row) + np.abs(x - column)
    line = ((y == row) | (x == column)) & (away > 1)
    return {
        "row": row + 1, "column": column + 1, "places": rows * columns,
        "like_neighbours": float(one[away == 1].mean()),
        "like_row_and_column": float(one[line].mean()),
        "like_the_rest": float(one[(away > 1) & ~line].mean()),
    }


# Pictures


def draw_all(scene: Scene, learnt: np.ndarray, at: Framed) -> None:
    """A map for each place, at its place: the picture in which one is chosen."""
    (rows, columns), (low, high) = at.grid, limits(learnt)
    scene.recorder.picture(
        "positions", all_maps(learnt, at),
        f"One small map for each of the {rows} × {columns} places of a patch, laid "
        "out as the places are. A map shows how like its place's vector is to every "
        f"other place's: dark is a cosine of {low:.2f}, pale yellow one of {high:.2f}. "
        "No picture took part, and nobody told the model which places lie side by "
        "side. In the paper's models a place resembles its neighbours, its row and its "
        "column; a small model with another task may learn something else, such as how "
        "near the border is.",
        f"{rows * columns} small maps. {said(count(learnt, at))}", plane=True,
    )


def draw_one(scene: Scene, found: dict[str, np.ndarray], at: Framed) -> None:
    """The chosen place's map, large, for all kinds."""
    tiles = []
    for one in found.values():
        drawn = Image.fromarray(painted(one)[at.place])
        side = (LARGE // 3, LARGE // 3 * at.grid[0] // at.grid[1])
        tiles.append(at.marked(drawn.resize(side, Image.Resampling.NEAREST)))
    kinds = "; ".join(f"{name}: {what}" for name, what in KINDS.items())
    scene.recorder.picture(
        "one", pictures.sheet(tiles, list(found), 3),
        f"The framed place ({at}) compared with all others. {kinds}. Dark is least "
        "like; each kind uses its own range.", said(count(found["learnt"], at)),
    )


def said(numbers: Numbers) -> str:
    """The mean cosines in a sentence."""
    beside, line, rest = (
        numbers[f"like_{name}"] for name in ("neighbours", "row_and_column", "the_rest")
    )
    return (
        f"Mean cosine of the framed place with its neighbours {beside:.2f}, with the "
        f"rest of its row and column {line:.2f}, with all others {rest:.2f}."
    )


def all_maps(similarity: np.ndarray, at: Framed) -> Image.Image:
    """The maps of all places as one picture without a margin, the chosen one framed."""
    rows, columns = at.grid
    cell = max(2, (LARGE // columns - GAP) // columns)
    step = (rows * cell + GAP, columns * cell + GAP)
    canvas = Image.new("RGB", (columns * step[1], rows * step[0]), pictures.GROUND)
    coloured = painted(similarity)
    size = (columns * cell, rows * cell)
    for row in range(rows):
        for column in range(columns):
            tile = Image.fromarray(coloured[row, column])
            tile = tile.resize(size, Image.Resampling.NEAREST)
            corner = (column * step[1] + GAP // 2, row * step[0] + GAP // 2)
            canvas.paste(tile, corner)
    return at.marked(canvas)


def painted(similarity: np.ndarray) -> np.ndarray:
    """The cosines as colours over their whole range, (…, 3) uint8."""
    low, high = limits(similarity)
    share = ((similarity - low) / (high - low or 1)).clip(0, 1)
    return colour_map()[(share * 255).round().astype(int)]


def limits(similarity: np.ndarray) -> tuple[float, float]:
    """The least and the largest cosine of two places; none with itself counts."""
    places = similarity.shape[0] * similarity.shape[1]
    others = similarity.reshape(places, places)[~np.eye(places, dtype=bool)]
    return float(others.min()), float(others.max())
