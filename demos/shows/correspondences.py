"""Matching points: patches of two pictures that choose each other as most alike.

Two patches that choose each other among all do so among fewer as well. So it is enough
to keep those that do, and the paper's `correspondences` picks pairs out of them alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Generator, Tensor

from demos.drawing import pictures
from demos.drawing.colour import hues
from demos.listening import beside
from demos.pieces.descriptors import (
    View,
    class_attention,
    counted,
    describe,
    layer_of,
    notes,
    view_all,
)
from demos.scene import Numbers, Scene

CELL = 640    # pixels, the longer side of each picture
BALL = 15     # pixels, a point's radius
COLUMNS = ["pair", "in picture 1", "in picture 2", "cosine", "saliency"]


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """Draw the chosen pairs on both pictures, then all that choose each other."""
    layer, views = layer_of(scene), view_all(scene)
    read = scene.stage("buddies", lambda: find(scene, views, layer))
    scene.recorder.progress(1, 1, "Drawing")
    buddies = {name: torch.from_numpy(one) for name, one in read.items()}
    chosen = choose(scene, buddies)                              # (k,)
    ends = [
        scene.module.patch_centers(
            buddies[f"patch{n}"], view.grid, view.patch, view.step
        ).numpy()
        for n, view in enumerate(views)
    ]                                                            # two of (M, 2)
    cosines = torch.cosine_similarity(buddies["keys0"], buddies["keys1"]).numpy()
    rank = ((buddies["saliency0"] + buddies["saliency1"]) / 2).numpy()
    pairs = [end[chosen] for end in ends]                        # two of (k, 2)
    draw_pairs(scene, views, pairs, layer, len(ends[0]))
    draw_all(scene, views, ends)
    rows = [
        [str(n), place(a), place(b), f"{cosines[i]:.2f}", f"{rank[i]:.2f}"]
        for n, (a, b, i) in enumerate(zip(*pairs, chosen, strict=True), 1)
    ]
    scene.recorder.table(
        "pairs", "The pairs, their places in pixels from the left and the top of what "
        "the model read, how alike their descriptors are, and how salient both are.",
        COLUMNS, rows,
    )
    scene.recorder.arrays(
        "pairs", "Row and column, in pixels, of all patches that choose each other, "
        "(M, 2) in each picture; their cosines; and the numbers of those drawn.",
        first=ends[0], second=ends[1], cosine=cosines, chosen=chosen,
    )
    return {
        "layer": layer, "patches": [v.grid[0] * v.grid[1] for v in views],
        "buddies": len(ends[0]), "pairs": len(chosen),
        "mean_cosine": round(float(cosines[chosen].mean()), 3) if len(chosen) else 0.0,
    }


# Matching


def find(scene: Scene, views: Sequence[View], layer: int) -> dict[str, np.ndarray]:
    """The expensive stage: of both pictures' M best buddies the patches, descriptors
    and saliency."""
    recorder, keys, salient = scene.recorder, [], []
    facet, bins = str(scene.options["facet"]), bool(scene.options["log_bin"])
    last = scene.loaded.depth - 1
    for n, view in enumerate(views):
        recorder.progress(n, 3, f"The model reads picture {n + 1}")
        keys.append(describe(scene, view, layer, facet, bins))   # (N, D)
        rows = class_attention(scene, view, last)                # (1, H, 1, T)
        found = scene.module.saliency(rows, range(rows.shape[1]))[0]
        salient.append(found.nan_to_num())                       # (N,)
    recorder.progress(2, 3, "Comparing all patches with all")
    mutual, nearest = beside(lambda: scene.module.best_buddies(*keys), recorder.alive)
    first = mutual.nonzero()[:, 0]                               # (M,)
    patches = (first, nearest[first])
    of_buddies = [key[patch] for key, patch in zip(keys, patches, strict=True)]
    compact = beside(lambda: turned(torch.cat(of_buddies)), recorder.alive)
    arrays = {}
    for n, patch in enumerate(patches):
        arrays[f"patch{n}"] = patch.numpy()
        arrays[f"keys{n}"] = compact.chunk(2)[n].numpy()
        arrays[f"saliency{n}"] = salient[n][patch].numpy()
    return arrays


def turned(x: Tensor) -> Tensor:
    """Rows of the same lengths and angles in fewer numbers, as many as there are rows.

    x: (M, D), turned so that all but M coordinates are zero, which are left out.
    """
    return torch.linalg.qr(x.mT).R.mT if len(x) < x.shape[1] else x  # (M, M)


def choose(scene: Scene, buddies: dict[str, Tensor]) -> np.ndarray:
    """Which of the buddies the paper's selection keeps, (k,), from left to right."""
    generator = Generator().manual_seed(int(scene.options["seed"]))
    first, _ = scene.module.correspondences(
        buddies["keys0"], buddies["keys1"], buddies["saliency0"], buddies["saliency1"],
        generator, int(scene.options["pairs"]), float(scene.options["threshold"]),
    )
    return first.sort().values.numpy()


def place(end: np.ndarray) -> str:
    """Row first, to words with the column first."""
    return f"{end[1]}, {end[0]}"


# Pictures


def beside_each_other(views: Sequence[View]) -> tuple[Image.Image, list[np.ndarray]]:
    """Both pictures, below or beside each other so that each is large; their corners.

    The corners are (left, top) in pixels of the whole.
    """
    tiles = [pictures.scaled(view.fitted.display, CELL) for view in views]
    gap = pictures.PADDING
    widths, heights = zip(*(tile.size for tile in tiles), strict=True)
    below = sum(widths) > sum(heights)
    size = (
        (max(widths), sum(heights) + gap) if below
        else (sum(widths) + gap, max(heights))
    )
    canvas = Image.new("RGB", size, pictures.GROUND)
    step = (0, heights[0] + gap) if below else (widths[0] + gap, 0)
    canvas.paste(tiles[0], (0, 0))
    canvas.paste(tiles[1], step)
    return canvas, [np.array((0, 0)), np.array(step)]


def placed(view: View, ends: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Pixels that the model read, (k, 2) row first, as (x, y) of the drawing."""
    scale = CELL / max(view.fitted.image.size)
    return ends[:, ::-1] * scale + corner


def draw_pairs(
    scene: Scene, views: Sequence[View], pairs: Sequence[np.ndarray], layer: int,
    buddies: int,
) -> None:
    """Numbered points in both pictures, and a line between the two of each pair."""
    canvas, corners = beside_each_other(views)
    draw = ImageDraw.Draw(canvas)
    ends = [placed(*one) for one in zip(views, pairs, corners, strict=True)]
    colours = [tuple(colour) for colour in hues(max(1, len(ends[0])))]
    for a, b, colour in zip(*ends, colours, strict=False):
        draw.line([tuple(a), tuple(b)], colour, 2)
    for one in ends:
        for n, (at, colour) in enumerate(zip(one, colours, strict=False), 1):
            draw.circle(tuple(at), BALL, colour, "#15171c", 2)
            draw.text(tuple(at), str(n), "#15171c", pictures.font(18), anchor="mm")
    count = len(ends[0])
    none = "" if count else " None is salient enough: lower the saliency."
    scene.recorder.picture(
        "pairs", canvas,
        f"Equal numbers mark patches that the network finds most alike: {count} pairs "
        f"out of {buddies} patches that choose each other, spread over what is "
        f"salient.{none} Nothing was trained to match, and pairs can be wrong: "
        "something is always most alike, left is easily taken for right, and a small "
        "network goes by a patch's place as much as by its meaning. "
        f"Descriptors of layer {layer}, {counted(views)}. {notes(views)}",
        f"Both pictures with {count} numbered points, joined by lines.",
    )


def draw_all(
    scene: Scene, views: Sequence[View], ends: Sequence[np.ndarray]
) -> None:
    """Every pair of best buddies, coloured by its place in the first picture."""
    canvas, corners = beside_each_other(views)
    draw = ImageDraw.Draw(canvas)
    colours = hues(max(1, len(ends[0])))
    for view, one, corner in zip(views, ends, corners, strict=True):
        for at, colour in zip(placed(view, one, corner), colours, strict=False):
            draw.circle(tuple(at), BALL // 2, tuple(colour), "#15171c", 1)
    scene.recorder.picture(
        "buddies", canvas,
        f"All {len(ends[0])} pairs before the choice, salient or not. The two of a "
        "pair have one colour, which runs from the top of the first picture to its "
        "bottom: where the second picture has the same order, the matching is right "
        "as a whole.",
        f"Both pictures with {len(ends[0])} small points in the colours of the pairs.",
    )
