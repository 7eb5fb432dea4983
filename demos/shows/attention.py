"""Attention demo: where the class token looks, per head, per layer, and rolled out.

What is expensive is the model's reading of the picture; all options but the size are
about drawing, and start from a stored reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from demos.drawing import pictures
from demos.intake import images
from demos.listening import listening
from demos.pieces import maps, tokens
from demos.pieces.maps import Reading, Views
from demos.results import Recorder
from demos.scene import Numbers, Scene

CELL = 320  # pixels, the longer side of a picture among others

VIEWS = {
    "mean": "the mean over the {heads} heads of layer {layer}",
    "heads": "each of the {heads} heads of layer {layer}",
    "rollout": "attention rolled out through all {layers} layers",
    "layers": "the mean over the heads in each of the {layers} layers",
}


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """Draw the chosen view, its mask, and every view as plain patches."""
    loaded, options, recorder = scene.loaded, scene.options, scene.recorder
    layers = loaded.depth
    layer = tokens.layer_index(int(options["layer"]), layers)
    fitted = tokens.fit(scene.picture, loaded, str(options["size"]))
    grid = fitted.grid(loaded.patch_size)
    read = scene.stage("attention", lambda: read_attention(scene, fitted))
    recorder.progress(layers, layers, "Drawing the maps")
    reading = Reading(torch.from_numpy(read["rows"]), torch.from_numpy(read["rollout"]))
    views = maps.all_views(reading, layer, grid)
    chosen = str(options["view"])
    kept = maps.mass_masks(views[chosen], float(options["mass"]))
    what = said(chosen, views, layer)
    labels = views.labels(chosen, layer)
    draw_attention(scene, fitted, views[chosen], labels, what)
    draw_mass(scene, fitted, kept, labels, what)
    recorder.picture(
        "input", pictures.crisp(fitted.image, fitted.zoom),
        f"What the model read, pixel by pixel. {fitted.note}",
        f"The picture at {fitted.image.width} × {fitted.image.height} pixels.",
    )
    draw_maps(views, layer, fitted, chosen, recorder)
    recorder.arrays(
        "maps", "All maps as numbers, each (…, rows, columns) and summing to 1; "
        "`kept` is the mask.", kept=kept, heads=views.heads, mean=views.mean,
        rollout=views.rollout, layers=views.layers,
    )
    return {
        "layer": layer,
        "layers": layers,
        "heads": len(views.heads),
        "patches": grid[0] * grid[1],
        "patches_kept": [int(mask.sum()) for mask in kept],
    }


# Reading


def read_attention(scene: Scene, fitted: images.Fitted) -> dict[str, np.ndarray]:
    """The expensive stage: the model reads the picture; each layer is shown at once."""
    scene.recorder.progress(0, 1, "The model reads the picture")
    loaded, model = scene.loaded, scene.loaded.model
    with listening(model, scene.recorder.alive):
        layers = maps.layer_weights(model, tokens.pixels(scene, fitted))
        reading = maps.read(shown(layers, scene, fitted), loaded.num_prefix)
    return {"rows": reading.rows.numpy(), "rollout": reading.rollout.numpy()}


def shown(
    layers: Iterable[Tensor], scene: Scene, fitted: images.Fitted
) -> Iterator[Tensor]:
    """The layers' weights, each passed on after a partial picture of it."""
    loaded, recorder = scene.loaded, scene.recorder
    small, opacity = pictures.scaled(fitted.display, CELL), scene.options["opacity"]
    total = loaded.depth
    for i, weights in enumerate(layers):
        mean = maps.to_patches(weights, loaded.num_prefix).mean(0, keepdim=True)
        layer = maps.on_grid(mean, fitted.grid(loaded.patch_size))[0]
        drawn = pictures.overlay(small, layer, float(opacity))
        caption = f"Layer {i} of 0 to {total - 1}, mean over heads."
        alt = f"Attention of layer {i}: {maps.described(layer)}."
        artifact = recorder.picture(f"layer_{i:02}", drawn, caption, alt, partial=True)
        recorder.progress(i + 1, total, f"Layer {i}", artifact=artifact)
        yield weights


# Pictures


def draw_attention(
    scene: Scene, fitted: images.Fitted, drawn: np.ndarray, labels: list[str], what: str
) -> None:
    """The chosen maps over the picture."""
    under, opacity = ground(fitted, len(drawn)), float(scene.options["opacity"])
    tiles = [pictures.overlay(under, one, opacity) for one in drawn]
    scene.recorder.picture(
        "attention", arranged(tiles, labels),
        f"Where the class token looks: {what}. Dark is least, pale yellow most; each "
        f"map uses its full range. {fitted.note}",
        f"Heat map over the picture, {what}. {maps.each(labels, drawn)}",
    )


def draw_mass(
    scene: Scene, fitted: images.Fitted, kept: np.ndarray, labels: list[str], what: str
) -> None:
    """The picture with the patches of the mask lit."""
    counts = ", ".join(str(int(mask.sum())) for mask in kept)
    under, patches = ground(fitted, len(kept)), kept[0].size
    tiles = [pictures.spotlight(under, mask) for mask in kept]
    scene.recorder.picture(
        "mass", arranged(tiles, labels),
        f"The fewest patches that hold {100 * float(scene.options['mass']):.0f} % of "
        f"the attention ({counts} of {patches}), {what}.",
        f"The picture with only those patches lit: {counts} of {patches}.",
    )


def draw_maps(
    views: Views, layer: int, fitted: images.Fitted, chosen: str, recorder: Recorder
) -> None:
    """Every view as plain patches, the chosen one first."""
    for view in sorted(VIEWS, key=lambda name: name != chosen):
        plain, labels = views[view], views.labels(view, layer)
        size = plain_size(fitted, plain)
        tiles = [pictures.heat_map(one, size, smooth=False) for one in plain]
        what = said(view, views, layer)
        recorder.picture(
            view, arranged(tiles, labels),
            f"One square is one patch: {what}.",
            f"Plain heat map, {what}. {maps.each(labels, plain)}",
        )


def ground(fitted: images.Fitted, n: int) -> Image.Image:
    """The picture at the size in which n maps are laid over it."""
    alone = n == 1 or columns(fitted.display.size, n) == 1
    return fitted.display if alone else pictures.scaled(fitted.display, CELL)


def plain_size(fitted: images.Fitted, plain: np.ndarray) -> tuple[int, int]:
    """(width, height) of plain maps, so that every patch is the same whole square."""
    if len(plain) == 1:
        return fitted.display.size
    height, width = plain.shape[1:]
    edge = max(1, CELL // max(width, height))
    return width * edge, height * edge


def columns(size: tuple[int, int], n: int) -> int:
    """Columns of a sheet of n pictures."""
    return pictures.columns_for(n, size[0] / size[1])


def arranged(tiles: list[Image.Image], labels: list[str]) -> Image.Image:
    """One picture as it is; several as a labelled grid."""
    if len(tiles) == 1:
        return tiles[0]
    return pictures.sheet(tiles, labels, columns(tiles[0].size, len(tiles)))


def said(view: str, views: Views, layer: int) -> str:
    """The view in words, with its numbers."""
    return VIEWS[view].format(
        heads=len(views.heads), layer=layer, layers=len(views.layers)
    )
