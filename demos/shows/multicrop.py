"""Multi-crop demo: two large crops, many small ones, and which pairs are compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from demos.drawing import boards
from demos.drawing.colour import colour_map
from demos.drawing.pictures import GROUND, LINE, PADDING, QUIET, TEXT, font, scaled
from demos.pieces import seeing
from demos.pieces.seeing import View
from demos.pieces.watching import watcher
from demos.results import Recorder
from demos.scene import Numbers, Scene

LARGE = 2       # crops that give the answers
COLUMN, ROW, HEAD = 240, 100, 64  # pixels, of the table
LETTER = 32


def show(scene: Scene) -> Numbers:
    """One draw with as many small crops as asked for."""
    recorder, local = scene.recorder, int(scene.options["local"])
    recorder.progress(0, 2, "Cutting")
    pixels = seeing.pixels_of(scene.picture).to(scene.device)
    told = {**seeing.settings(scene.module), "n_local": local}
    generator = watcher(int(scene.options["seed"]), recorder.alive)
    views = seeing.seen(scene.module, pixels, generator, told)
    boxes = [view.drawn.box for view in views]
    inside = np.array([[seeing.shared(b, big) for big in boxes[:LARGE]] for b in boxes])
    compared = pairs(len(views))
    draw_crops(recorder, scene.picture, views)
    recorder.progress(1, 2, "Drawing the pairs")
    draw_pairs(recorder, views, inside, compared)
    recorder.arrays(
        "pairs", "Frames (crops, 4) as left, top, right, bottom in shares of the "
        "picture; `inside` (crops, large crops), the share of a crop that lies in a "
        "large one; `compared`, whether the loss compares them.",
        boxes=np.array(boxes), inside=inside, compared=compared,
    )
    return {
        "crops": len(views),
        "pairs": int(compared.sum()),
        "pixels_of_small_crops_in_large_ones": round(cost(views), 2),
        "mean_share_inside": round(float(inside[compared].mean()), 3),
    }


def pairs(crops: int) -> np.ndarray:
    """(crops, LARGE), True where the loss compares: a crop never with itself."""
    return ~np.eye(crops, LARGE, dtype=bool)


def cost(views: Sequence[View]) -> float:
    """Pixels of all small crops together, in large crops."""
    sides = [view.pixels.shape[-1] for view in views]
    return sum(side**2 for side in sides[LARGE:]) / sides[0] ** 2


def draw_crops(
    recorder: Recorder, picture: Image.Image, views: Sequence[View]
) -> None:
    """Where the crops were cut, and the crops in the proportion of their sizes."""
    names = [str(i + 1) for i in range(len(views))]
    shades = [boards.colour(i) for i in range(len(views))]
    boxes = [view.drawn.box for view in views]
    outlined = boards.outlined(picture, boxes, names)
    shown = [f"{100 * view.drawn.share:.0f} %" for view in views]
    labels = [f"{name}: {share}" for name, share in zip(names, shown, strict=True)]
    tiles = [view.picture for view in views]
    large = boards.board(tiles[:LARGE], labels[:LARGE], LARGE, shades)
    small = boards.board(tiles[LARGE:], labels[LARGE:], 4, shades[LARGE:])
    sides = [view.pixels.shape[-1] for view in views]
    shares = "; ".join(f"crop {label}" for label in labels)
    recorder.picture(
        "crops",
        boards.stacked([boards.board([outlined], ["picture"], 1), large, small]),
        f"Two large crops of {sides[0]} pixels and {len(views) - LARGE} small ones of "
        f"{sides[-1]}, drawn larger here than they are. All small crops together have "
        f"as many pixels as {cost(views):.1f} large ones, so they are cheap. Shares of "
        f"the picture: {shares}.",
        f"The picture with {len(views)} frames, and the crops. {shares}.",
    )


def draw_pairs(
    recorder: Recorder, views: Sequence[View], inside: np.ndarray, compared: np.ndarray
) -> None:
    """The table of pairs: rows all crops, columns the large ones."""
    cells = [
        [f"{100 * v:.0f} %" if c else "never" for v, c in zip(*row, strict=True)]
        for row in zip(inside, compared, strict=True)
    ]
    rows = [f"crop {i + 1}: {' and '.join(row)}" for i, row in enumerate(cells)]
    recorder.picture(
        "pairs", table(views, inside, compared, cells),
        "Which pairs the loss compares. Answers come from the two large crops alone "
        "(columns); every crop (rows) has to give the same answer, a crop never to "
        f"itself: {int(compared.sum())} pairs. A cell says how much of the row's crop "
        "lies in the column's. A small crop that shows a part must answer like the "
        "whole, even where they share nothing.",
        f"Table of {len(views)} crops and the shares that lie in large crops 1 and 2. "
        f"{'; '.join(rows)}.",
    )


def table(
    views: Sequence[View],
    inside: np.ndarray,
    compared: np.ndarray,
    cells: Sequence[Sequence[str]],
) -> Image.Image:
    """A row for each crop: its picture, its number, its share in each large one."""
    size = (COLUMN * (1 + LARGE) + PADDING, HEAD + len(views) * ROW + PADDING)
    canvas = Image.new("RGB", size, GROUND)
    draw, letters = ImageDraw.Draw(canvas), font(LETTER)
    for k in range(LARGE):
        at = ((k + 1.5) * COLUMN, HEAD / 2)
        draw.text(at, f"in crop {k + 1}", TEXT, letters, "mm")
    for i, view in enumerate(views):
        top = HEAD + i * ROW
        canvas.paste(scaled(view.picture, ROW - 8), (PADDING, top + 4))
        at = (PADDING + ROW + 40, top + ROW / 2)
        draw.text(at, str(i + 1), boards.colour(i), letters, "mm")
        for k in range(LARGE):
            left = (k + 1) * COLUMN
            ground, ink = shades(inside[i, k]) if compared[i, k] else (GROUND, QUIET)
            edge = (left + 4, top + 4, left + COLUMN - 4, top + ROW - 4)
            draw.rectangle(edge, ground, LINE)
            middle = (left + COLUMN / 2, top + ROW / 2)
            draw.text(middle, cells[i][k], ink, letters, "mm")
    return canvas


def shades(share: float) -> tuple[tuple[int, ...], str]:
    """A cell's colour, and that of letters which are legible on it."""
    red, green, blue = ground = tuple(colour_map()[round(255 * share)].tolist())
    bright = 0.299 * red + 0.587 * green + 0.114 * blue > 110
    return ground, "black" if bright else "white"
