"""Keys as colours: the main components of the patches' descriptors, over one or two.

The axes are common to all pictures, so equal colours before stretching are equal keys.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from demos.drawing import pictures
from demos.listening import beside
from demos.pieces.descriptors import View, counted, describe, layer_of, notes, view_all
from demos.scene import Numbers, Scene

KEPT = 4    # components, as in the paper's figure
CELL = 360  # pixels, the longer side of a picture among others


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """Draw the colours beside the pictures, then each component alone."""
    layer, views = layer_of(scene), view_all(scene)
    read = scene.stage("components", lambda: project(scene, views, layer))
    scene.recorder.progress(1, 1, "Drawing")
    grids = [view.grid for view in views]
    projected = [read[f"picture{n}"] for n in range(len(views))]
    colours = [painted(scene, *pair) for pair in zip(projected, grids, strict=True)]
    maps = [
        one.T.reshape(-1, *grid) for one, grid in zip(projected, grids, strict=True)
    ]
    shares = [round(100 * float(share), 1) for share in read["share"]]
    said = f"{words(scene)} of layer {layer}, {counted(views)}"
    draw_colours(scene, views, colours, said)
    draw_components(scene, views, maps, shares, said)
    arrays = {f"components{n}": one for n, one in enumerate(maps, 1)}
    arrays |= {f"colours{n}": one for n, one in enumerate(colours, 1)}
    scene.recorder.arrays(
        "components", "For each picture the coordinates on the common axes, (4, rows, "
        "columns), and the colours, (rows, columns, 3).", **arrays,
    )
    return {
        "layer": layer, "patches": [rows * columns for rows, columns in grids],
        "variance_percent": list(shares),
    }


def project(scene: Scene, views: Sequence[View], layer: int) -> dict[str, np.ndarray]:
    """The expensive stage: each picture's (N, 4), and the axes' shares of variance."""
    recorder, found = scene.recorder, []
    facet, bins = str(scene.options["facet"]), bool(scene.options["log_bin"])
    for n, view in enumerate(views):
        recorder.progress(n, len(views) + 1, f"The model reads picture {n + 1}")
        found.append(describe(scene, view, layer, facet, bins))
    recorder.progress(len(views), len(views) + 1, "Looking for the main axes")
    projected = beside(
        lambda: scene.module.descriptor_pca(found, KEPT), recorder.alive
    )
    total = torch.cat(found).var(0).sum()
    share = torch.cat(projected).var(0) / total                  # (4,)
    arrays = {f"picture{n}": one.numpy() for n, one in enumerate(projected)}
    return {**arrays, "share": share.numpy()}


def painted(
    scene: Scene, projected: np.ndarray, grid: tuple[int, int]
) -> np.ndarray:
    """The chosen three components as colours, (rows, columns, 3)."""
    kept = KEPT if scene.options["components"] == "2 to 4" else 3
    colours = scene.module.to_rgb(torch.from_numpy(projected[:, :kept].copy()))
    return colours.nan_to_num().view(*grid, 3).numpy()


def words(scene: Scene) -> str:
    """What was read, for captions."""
    facet = "the output" if scene.options["facet"] == "token" else (
        {"key": "keys", "query": "queries", "value": "values"}[
            str(scene.options["facet"])
        ]
    )
    return facet + (" with their surroundings" if scene.options["log_bin"] else "")


def drawn(view: View, colours: np.ndarray) -> Image.Image:
    """Colours of the patches at the size of the picture for people."""
    pixels = (view.spread(colours) * 255).round().astype(np.uint8)
    return Image.fromarray(pixels).resize(
        view.fitted.display.size, Image.Resampling.NEAREST
    )


def draw_colours(
    scene: Scene, views: Sequence[View], colours: Sequence[np.ndarray], said: str
) -> None:
    """Each picture, and its patches in the colours of three components."""
    which, tiles, labels = scene.options["components"], [], []
    for n, (view, one) in enumerate(zip(views, colours, strict=True), 1):
        tiles += [view.fitted.display, drawn(view, one)]
        labels += [f"picture {n}", f"components {which}"]
    if len(views) == 1:
        labels[0] = "picture"
    tiles = pictures.framed([pictures.scaled(tile, CELL) for tile in tiles])
    shared = (
        " The axes are those of both pictures together: like colours mean like parts "
        "across them, too, as far as each picture's stretching allows."
        if len(views) > 1 else ""
    )
    scene.recorder.picture(
        "colours", pictures.sheet(tiles, labels, columns=2),
        f"Where colours agree the network finds patches alike: components {which} of "
        f"the {said}, as red, green and blue.{shared} Each component is stretched to "
        "its full range, so noise would be colourful as well; the next picture says "
        f"how much each holds. {notes(views)}",
        f"{len(views)} pictures, and beside each its patches coloured by components "
        f"{which}.",
    )


def draw_components(
    scene: Scene, views: Sequence[View], maps: Sequence[np.ndarray],
    shares: Sequence[float], said: str,
) -> None:
    """Each component of each picture as a heat map."""
    tiles, labels = [], []
    for view, components in zip(views, maps, strict=True):
        size = pictures.scaled(view.fitted.display, CELL).size
        tiles += [
            pictures.heat_map(view.spread(one), size, smooth=False)
            for one in components
        ]
        labels += [f"{k}: {share} %" for k, share in enumerate(shares, 1)]
    held = ", ".join(f"{share} %" for share in shares)
    scene.recorder.picture(
        "each", pictures.sheet(pictures.framed(tiles), labels, columns=2),
        f"The components one by one, the {said}. They hold {held} of all variance. The "
        "first often splits object from background; which end is bright has no "
        "meaning.",
        f"Heat maps of components 1 to {KEPT}, which hold {held} of the variance.",
    )
