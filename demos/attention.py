"""Attention demo: where the class token looks, per head, per layer, and rolled out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from demos import images, pictures
from demos.listening import listening
from demos.maps import Views, all_views, mass_masks
from demos.results import Recorder
from demos.specs import OptionError
from demos.weights import Loaded

MAX_GRID = 40  # patches a side: all maps of one picture then fit in half a gigabyte

VIEWS = {
    "mean": "the mean over the {heads} heads of layer {layer}",
    "heads": "each of the {heads} heads of layer {layer}",
    "rollout": "attention rolled out through all {layers} layers",
    "layers": "the mean over the heads in each of the {layers} layers",
}


@torch.no_grad()
def show(
    loaded: Loaded,
    picture: Image.Image,
    options: Mapping,
    recorder: Recorder,
    device: torch.device,
) -> dict[str, float | int | str | list]:
    """Run the demo on one RGB picture; files go to the recorder, numbers come back."""
    fitted = fit(picture, loaded, str(options["size"]))
    maps = read_attention(loaded, fitted.image, recorder, device)
    layer = layer_index(int(options["layer"]), len(maps))
    grid = fitted.grid(loaded.patch_size)
    views = all_views(maps, layer, loaded.num_prefix, grid)
    draw_layers(views, fitted, options, recorder)
    kept = mass_masks(views[options["view"]], float(options["mass"]))
    draw_chosen(views, kept, layer, fitted, options, recorder)
    draw_maps(views, layer, fitted, str(options["view"]), recorder)
    recorder.arrays(
        "maps", "All maps as numbers, each (…, rows, columns) and summing to 1; "
        "`kept` is the mask.", kept=kept, heads=views.heads, mean=views.mean,
        rollout=views.rollout, layers=views.layers,
    )
    return {
        "layer": layer,
        "layers": len(maps),
        "heads": len(views.heads),
        "patches": grid[0] * grid[1],
        "patches_kept": [int(mask.sum()) for mask in kept],
    }


# Reading


def fit(picture: Image.Image, loaded: Loaded, size: str) -> images.Fitted:
    """The picture at the size asked for; `auto` is twice the training's, up to 224."""
    patch = loaded.patch_size
    auto = max(loaded.image_side, min(224, 2 * loaded.image_side))
    side = auto if size == "auto" else int(size)
    return images.fit(picture, min(side, MAX_GRID * patch), patch)


def layer_index(wanted: int, layers: int) -> int:
    """Counted from the front, 0 the first. Raises OptionError beyond the last."""
    if not -layers <= wanted < layers:
        raise OptionError(
            "layer",
            f"this model has {layers} layers: choose 0 to {layers - 1}, or -1 to "
            f"-{layers} from the end",
        )
    return wanted % layers


def read_attention(
    loaded: Loaded, image: Image.Image, recorder: Recorder, device: torch.device
) -> list[Tensor]:
    """Each layer's weights for one picture, (h, T, T), on the CPU."""
    recorder.progress(0, 1, "The model reads the picture")
    pixels = torch.from_numpy(images.to_array(image))[None].to(device)  # (1, 3, H, W)
    model = loaded.model.to(device)
    with listening(model, recorder.alive):
        maps = model.get_attention(loaded.normalise(pixels))  # type: ignore[operator]
    return [m[0].float().cpu() for m in maps]


# Pictures


def draw_layers(
    views: Views, fitted: images.Fitted, options: Mapping, recorder: Recorder
) -> None:
    """One partial picture per layer, reported as it is drawn."""
    total = len(views.layers)
    for i, layer in enumerate(views.layers):
        drawn = pictures.overlay(fitted.display, layer, float(options["opacity"]))
        caption = f"Layer {i} of 0 to {total - 1}, mean over heads."
        alt = f"Attention of layer {i}: {described(layer)}."
        artifact = recorder.picture(f"layer_{i:02}", drawn, caption, alt, partial=True)
        recorder.progress(i + 1, total, f"Layer {i}", artifact=artifact)


def draw_chosen(
    views: Views,
    kept: np.ndarray,
    layer: int,
    fitted: images.Fitted,
    options: Mapping,
    recorder: Recorder,
) -> None:
    """The chosen view over the picture, its mask, and what the model read."""
    view, mass, opacity = str(options["view"]), options["mass"], options["opacity"]
    maps, labels = views[view], views.labels(view, layer)
    what = said(view, views, layer)
    recorder.picture(
        "attention",
        arranged([pictures.overlay(fitted.display, m, opacity) for m in maps], labels),
        f"Where the class token looks: {what}. Dark is least, pale yellow most; each "
        f"map uses its full range. {fitted.note}",
        f"Heat map over the picture, {what}. {each(labels, maps)}",
    )
    counts = [int(mask.sum()) for mask in kept]
    share, patches = f"{100 * mass:.0f} %", kept[0].size
    recorder.picture(
        "mass",
        arranged([pictures.spotlight(fitted.display, k) for k in kept], labels),
        f"The fewest patches that hold {share} of the attention "
        f"({', '.join(map(str, counts))} of {patches}), {what}.",
        f"The picture with only those patches lit: {', '.join(map(str, counts))} of "
        f"{patches}.",
    )
    recorder.picture(
        "input", pictures.crisp(fitted.image, fitted.zoom),
        f"What the model read, pixel by pixel. {fitted.note}",
        f"The picture at {fitted.image.width} × {fitted.image.height} pixels.",
    )


def draw_maps(
    views: Views, layer: int, fitted: images.Fitted, chosen: str, recorder: Recorder
) -> None:
    """Every view as plain patches, the chosen one first."""
    for view in sorted(VIEWS, key=lambda name: name != chosen):
        maps, labels = views[view], views.labels(view, layer)
        tiles = [pictures.heat_map(m, fitted.display.size, smooth=False) for m in maps]
        what = said(view, views, layer)
        recorder.picture(
            view, arranged(tiles, labels),
            f"One square is one patch: {what}.",
            f"Plain heat map, {what}. {each(labels, maps)}",
        )


def said(view: str, views: Views, layer: int) -> str:
    """The view in words, with its numbers."""
    return VIEWS[view].format(
        heads=len(views.heads), layer=layer, layers=len(views.layers)
    )


def arranged(tiles: list[Image.Image], labels: list[str]) -> Image.Image:
    """One picture as it is; several as a labelled grid."""
    if len(tiles) == 1:
        return tiles[0]
    columns = pictures.columns_for(len(tiles), tiles[0].width / tiles[0].height)
    return pictures.sheet(tiles, labels, columns, cell=640 if columns == 1 else 320)


def each(labels: list[str], maps: np.ndarray) -> str:
    """Every map in words."""
    words = [f"{n}: {described(m)}" for n, m in zip(labels, maps, strict=True)]
    return "; ".join(words) + "."


def described(attention: np.ndarray) -> str:
    """Where a map is strongest, for those who cannot see it."""
    rows, columns = attention.shape
    row, column = np.unravel_index(int(attention.argmax()), attention.shape)
    place = (
        ("top", "middle", "bottom")[int(3 * row / rows)],
        ("left", "centre", "right")[int(3 * column / columns)],
    )
    strength = attention.max() * attention.size
    return f"strongest at {' '.join(place)}, {strength:.1f} times the average"
