"""Query demo: from where one patch takes what it needs, per head and per layer.

What is stored is what every layer is given; the rows of another patch, or of another
layer, follow from it without the model's whole way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from demos.drawing import pictures, signed, tiles
from demos.drawing.frame import Framed
from demos.intake import images
from demos.pieces import maps, tokens
from demos.results import Recorder
from demos.scene import Numbers, Scene

CELL, SMALL = 320, 220  # pixels, the longer side of a picture among others
LIMITS = (
    "This says what the layer reads for this one patch, not what the model's answer "
    "comes from."
)


@dataclass(frozen=True)
class Rows:
    """What the chosen patch, and the class token, give to every token.

    patch, cls: (L, h, T), rows that sum to 1; cls is None where there is none.
    """

    patch: np.ndarray
    cls: np.ndarray | None
    num_prefix: int
    at: Framed

    def on_grid(self, rows: np.ndarray) -> np.ndarray:
        """(M, T) to (M, rows, columns), the shares of the patches alone, sum 1."""
        return maps.on_grid(torch.from_numpy(rows[:, self.num_prefix:]), self.at.grid)


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """Draw the patch's row: mean, heads, layers, and beside the class token's."""
    loaded, options = scene.loaded, scene.options
    layer = tokens.layer_index(int(options["layer"]), loaded.depth)
    fitted = tokens.fit(scene.picture, loaded, str(options["size"]))
    grid = fitted.grid(loaded.patch_size)
    read = scene.stage("tokens", lambda: tokens.read_tokens(scene, fitted))
    scene.recorder.progress(1, 2, "Drawing the maps")
    rows = rows_of(scene, read["tokens"], Framed.at(options, grid))
    heads = rows.on_grid(rows.patch[layer])                      # (h, rows, columns)
    layers = rows.on_grid(rows.patch.mean(1))                    # (L, rows, columns)
    numbers = count(rows, layer, layers[layer])
    draw_mean(scene, fitted, rows, layers[layer], numbers)
    draw_sheets(scene, fitted, rows, heads, layers, layer)
    draw_beside_class(scene.recorder, fitted, rows, layers[layer], layer)
    scene.recorder.arrays(
        "rows", "The rows as numbers, (layers, heads, tokens), each summing to 1. The "
        f"first {rows.num_prefix} tokens are no patches.", patch=rows.patch,
        **({} if rows.cls is None else {"class_token": rows.cls}),
    )
    scene.recorder.progress(2, 2, "Done")
    return numbers


def rows_of(scene: Scene, given: np.ndarray, at: Framed) -> Rows:
    """The rows of a patch and of the class token, out of what each layer is given."""
    prefix = scene.loaded.num_prefix
    wanted = [prefix + at.index, 0]
    found = []
    for weights in tokens.weights_from(scene.loaded.model, given):
        scene.recorder.alive()
        found.append(weights[:, wanted])                         # (h, 2, T)
    both = torch.stack(found).numpy()                            # (L, h, 2, T)
    cls = both[:, :, 1] if prefix else None
    return Rows(both[:, :, 0], cls, prefix, at)


def count(rows: Rows, layer: int, mean: np.ndarray) -> Numbers:
    """How the layer's attention, mean over heads, is spread."""
    whole = rows.patch[layer].mean(0)                            # (T,)
    row, column = (n + 1 for n in rows.at.place)
    half = maps.mass_masks(mean[None], 0.5)[0]
    return {
        "layer": layer, "layers": len(rows.patch), "heads": rows.patch.shape[1],
        "patches": mean.size, "row": row, "column": column,
        "share_to_itself": float(whole[rows.num_prefix + rows.at.index]),
        "share_to_no_patch": float(whole[: rows.num_prefix].sum()),
        "patches_for_half": int(half.sum()),
    }


# Pictures


def draw_mean(
    scene: Scene, fitted: images.Fitted, rows: Rows, mean: np.ndarray, numbers: Numbers
) -> None:
    """The mean over heads, large: the picture in which a patch is chosen."""
    drawn = pictures.overlay(fitted.display, mean, float(scene.options["opacity"]))
    half, layer = numbers["patches_for_half"], numbers["layer"]
    outside = 100 * float(numbers["share_to_no_patch"])  # type: ignore[arg-type]
    scene.recorder.picture(
        "query", rows.at.marked(drawn),
        f"What the framed patch ({rows.at}) attends to in layer {layer}, mean over "
        f"heads. Dark is least, pale yellow most. Half of it lies on {half} of "
        f"{mean.size} patches; {outside:.0f} % goes to tokens that are no patch. "
        f"{LIMITS} {fitted.note}",
        f"Heat map over the picture for the patch in {rows.at}: "
        f"{maps.described(mean)}.", plane=True,
    )


def draw_sheets(
    scene: Scene, fitted: images.Fitted, rows: Rows, heads: np.ndarray,
    layers: np.ndarray, layer: int,
) -> None:
    """Each head of the layer, and each layer's mean."""
    said = {
        "heads": (heads, f"Each head of layer {layer}, for the same patch: each "
                  "asks something else of the picture."),
        "layers": (layers, "Each layer, mean over heads, for the same patch, first to "
                   "last."),
    }
    opacity = float(scene.options["opacity"])
    for name, (drawn, caption) in said.items():
        under = tiles.small(fitted, CELL)
        labels = [f"{name[:-1]} {i}" for i in range(len(drawn))]
        shown = [
            rows.at.marked(pictures.overlay(under, one, opacity)) for one in drawn
        ]
        scene.recorder.picture(
            name, tiles.sheet(shown, labels, 3),
            f"{caption} Each map uses its full range.",
            f"Heat maps over the picture. {maps.each(labels, drawn)}",
        )


def draw_beside_class(
    recorder: Recorder, fitted: images.Fitted, rows: Rows, mean: np.ndarray, layer: int
) -> None:
    """The patch's map, the class token's, and where they differ."""
    if rows.cls is None:
        return
    cls = rows.on_grid(rows.cls[layer].mean(0, keepdims=True))[0]
    size = tiles.small(fitted, SMALL).size
    drawn = [
        pictures.heat_map(mean, size, smooth=False),
        pictures.heat_map(cls, size, smooth=False),
        signed.signed_map(mean - cls, size),
    ]
    shared = float(np.minimum(mean, cls).sum())
    recorder.picture(
        "class_token",
        tiles.sheet(
            [rows.at.marked(drawn[0]), drawn[1], rows.at.marked(drawn[2])],
            ["this patch", "class token", "difference"], 3,
        ),
        f"The patch's attention, the class token's, and the first less the second, "
        f"layer {layer}, mean over heads, one square per patch. {signed.RULE} They "
        f"have {100 * shared:.0f} % in common: the less, the more the patch asks a "
        "question of its own.",
        f"Three maps. This patch: {maps.described(mean)}; class token: "
        f"{maps.described(cls)}; {100 * shared:.0f} % in common.",
    )
