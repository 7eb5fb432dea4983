"""Saliency: the class token's attention, averaged over heads and cut at a threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from demos.drawing import pictures
from demos.pieces import maps
from demos.pieces.descriptors import View, class_attention, counted, layer_of, view_all
from demos.scene import Numbers, Scene
from demos.specs import OptionError

PAPER = (0, 2, 4, 5)  # of DINO's ViT-S/8
CELL = 360            # pixels, the longer side of a picture among others


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """Draw the saliency and its foreground, then every head's own map."""
    layer, (view,) = layer_of(scene), view_all(scene)
    read = scene.stage("rows", lambda: {"rows": look(scene, view, layer)})
    scene.recorder.progress(1, 1, "Drawing")
    rows = torch.from_numpy(read["rows"])                        # (1, H, 1, T)
    heads = chosen_heads(scene, rows.shape[1])
    salient = on_grid(scene, rows, heads, view)                  # (rows, columns)
    foreground = salient > float(scene.options["threshold"])
    said = f"heads {listed(heads)} of layer {layer}"
    draw_saliency(scene, view, salient, foreground, said)
    each = [on_grid(scene, rows, [head], view) for head in range(rows.shape[1])]
    draw_heads(scene, view, each, heads, layer)
    scene.recorder.arrays(
        "saliency", "The saliency and each head's, (rows, columns) from 0 to 1, and "
        "the foreground.", saliency=salient, foreground=foreground, heads=np.stack(each)
    )
    return {
        "layer": layer, "heads": list(heads), "patches": salient.size,
        "foreground": int(foreground.sum()),
        "foreground_percent": round(100 * float(foreground.mean()), 1),
    }


def look(scene: Scene, view: View, layer: int) -> np.ndarray:
    """The expensive stage: (1, H, 1, T)."""
    scene.recorder.progress(0, 1, "The model reads the picture")
    return class_attention(scene, view, layer).numpy()


def chosen_heads(scene: Scene, number: int) -> Sequence[int]:
    """The heads to average. Raises OptionError for one that the model does not have."""
    word = str(scene.options["heads"])
    named = {"all": range(number), "paper": PAPER}
    heads = named[word] if word in named else [int(word)]
    if max(heads) >= number:
        message = f"this model has heads 0 to {number - 1}: choose all, or one of them"
        raise OptionError("heads", message)
    return heads


def on_grid(
    scene: Scene, rows: Tensor, heads: Sequence[int], view: View
) -> np.ndarray:
    """The paper's saliency of these heads, (rows, columns)."""
    found = scene.module.saliency(rows, heads)[0].nan_to_num()   # (N,)
    return found.view(view.grid).numpy()


def listed(heads: Sequence[int]) -> str:
    """0, 2 and 4."""
    words = [str(head) for head in heads]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def draw_saliency(
    scene: Scene, view: View, salient: np.ndarray, foreground: np.ndarray, said: str
) -> None:
    """The map over the picture, and the picture where it is above the threshold."""
    opacity, threshold = (scene.options[n] for n in ("opacity", "threshold"))
    display = pictures.scaled(view.fitted.display, 2 * CELL)
    tiles = [
        pictures.overlay(display, view.spread(salient), float(opacity)),
        pictures.spotlight(display, view.spread(foreground)),
    ]
    wide = display.width >= display.height
    count = f"{int(foreground.sum())} of {foreground.size} patches"
    scene.recorder.picture(
        "saliency",
        pictures.sheet(tiles, ["saliency", "foreground"], columns=1 if wide else 2),
        f"What the class token looks at, the mean of {said}, scaled so that its least "
        f"patch is 0 and its most 1; and the {count} above {threshold}, which count "
        "as foreground. The paper cuts matches and clusters by this map. It is "
        "attention, not a trained segmentation: parts of an object may stay dark. "
        f"{counted([view])}. {view.fitted.note}",
        f"Heat map over the picture, {maps.described(salient)}, and the {count} above "
        f"{threshold} lit.",
    )


def draw_heads(
    scene: Scene, view: View, each: Sequence[np.ndarray], heads: Sequence[int],
    layer: int,
) -> None:
    """Every head's map by itself, so that one sees which look at the object."""
    size = pictures.scaled(view.fitted.display, CELL).size
    tiles = [pictures.heat_map(view.spread(m), size, smooth=False) for m in each]
    labels = [
        f"head {n}" + (", averaged" if n in heads else "") for n in range(len(each))
    ]
    words = "; ".join(f"head {n} {maps.described(m)}" for n, m in enumerate(each))
    scene.recorder.picture(
        "heads", pictures.sheet(tiles, labels, columns=2 if size[0] > 200 else 3),
        f"Each head of layer {layer} alone; averaged above: {listed(heads)}. Heads "
        "share the work differently in every network, which is why the paper chose "
        "its four by looking.",
        f"Heat maps: {words}.",
    )
