"""Norm demo: how long the token of each patch is, and whether some stand out."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from demos.drawing import pictures, tiles
from demos.drawing.charts import Chart
from demos.drawing.curves import SERIES
from demos.drawing.plots import Axis
from demos.intake import images
from demos.pieces import maps, tokens
from demos.scene import Numbers, Scene
from reference_impls.registers import neighbor_cosine, outlier_tokens

CELL, BINS = 320, 40


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """Draw the norms of a layer on the picture, their histogram, and all layers'."""
    loaded, options = scene.loaded, scene.options
    layer = tokens.layer_index(int(options["layer"]), loaded.depth)
    fitted = tokens.fit(scene.picture, loaded, str(options["size"]))
    grid = fitted.grid(loaded.patch_size)
    read = scene.stage("tokens", lambda: tokens.read_tokens(scene, fitted))
    scene.recorder.progress(1, 2, "Drawing")
    every = torch.from_numpy(read["tokens"])                     # (L + 1, T, D)
    patches = every[layer + 1, None, loaded.num_prefix:]         # (1, N, D)
    cutoff = float(options["times"]) * float(patches.norm(dim=-1).median())
    norms, mask, share = outlier_tokens(patches, cutoff)
    alike = neighbor_cosine(embedded(scene, fitted), grid)       # (1, N)
    numbers = count(norms[0], mask[0], float(share), alike[0])
    shaped = [one[0].view(grid).numpy() for one in (norms, mask, alike)]
    draw_maps(scene, fitted, shaped, numbers, layer)
    draw_histogram(scene, norms[0].numpy(), cutoff, numbers, layer)
    rest = every[:, loaded.num_prefix:].norm(dim=-1).numpy()     # (L + 1, N)
    draw_layers(scene, rest[1:])
    prefix = every[layer + 1, : loaded.num_prefix].norm(dim=-1)
    scene.recorder.arrays(
        "norms", "Norms (layers, patches), the first before any layer, and mean "
        "cosines with the neighbours (rows, columns) at the entrance.",
        norms=rest, neighbours=alike[0].view(grid).numpy(),
    )
    scene.recorder.progress(2, 2, "Done")
    return {"layer": layer, "layers": loaded.depth, **numbers,
            "norms_of_other_tokens": [float(v) for v in prefix]}


def embedded(scene: Scene, fitted: images.Fitted) -> Tensor:
    """Patches right behind the patch embedding, without position: (1, N, D)."""
    patches = scene.loaded.model.patch_embed(tokens.pixels(scene, fitted))
    return patches.float().cpu()


def count(norms: Tensor, mask: Tensor, share: float, alike: Tensor) -> Numbers:
    """Median, largest, and how many patches are outliers."""
    numbers: Numbers = {
        "patches": len(norms), "outliers": int(mask.sum()), "outlier_share": share,
        "median_norm": float(norms.median()), "largest_norm": float(norms.max()),
        "largest_by_median": float(norms.max() / norms.median()),
        "neighbour_cosine": float(alike.mean()),
    }
    if mask.any():
        numbers["neighbour_cosine_of_outliers"] = float(alike[mask].mean())
    return numbers


def verdict(numbers: Numbers) -> str:
    """What the numbers say, and what they do not."""
    found, patches = numbers["outliers"], numbers["patches"]
    times = f"The longest is {numbers['largest_by_median']:.1f} times the median"
    if found:
        return f"{found} of {patches} patches are beyond the cutoff. {times}."
    return (
        f"No patch is beyond the cutoff. {times}. The paper finds outliers, ten times "
        "as long as others, in models from ViT-B on that were trained for long without "
        "registers; in a small one none are to be expected."
    )


# Pictures


def draw_maps(
    scene: Scene, fitted: images.Fitted, shaped: list[np.ndarray], numbers: Numbers,
    layer: int,
) -> None:
    """Norms, outliers, and how like its neighbours a patch is, (rows, columns) each."""
    norms, mask, alike = shaped
    small = tiles.small(fitted, CELL)
    drawn = [
        small, pictures.heat_map(norms, small.size, smooth=False),
        pictures.spotlight(small, mask),
        pictures.heat_map(alike, small.size, smooth=False),
    ]
    labels = ["your picture", "norm of each token", "outliers", "like its neighbours"]
    scene.recorder.picture(
        "norms", tiles.sheet(drawn, labels, 2),
        f"How long each patch's token is behind layer {layer}: dark {norms.min():.1f}, "
        f"pale yellow {norms.max():.1f}. Lit are the outliers. The last map is the "
        "cosine with the patches beside, at the entrance: the paper's outliers come "
        f"from even areas, where it is high. {verdict(numbers)} {fitted.note}",
        f"The picture and three maps. Norms: {maps.described(norms)}. "
        f"{numbers['outliers']} outliers.",
    )


def draw_histogram(
    scene: Scene, norms: np.ndarray, cutoff: float, numbers: Numbers, layer: int
) -> None:
    """How many patches have which norm, and the cutoff."""
    edges = np.linspace(0, max(float(norms.max()), cutoff) * 1.05, BINS + 1)
    counts, _ = np.histogram(norms, edges)
    chart = Chart(
        Axis("norm"), Axis("patches"), edges, np.array([0, counts.max()])
    )
    chart.bars(edges, counts, SERIES[0])
    chart.mark("cutoff", cutoff)
    scene.recorder.picture(
        "histogram", chart.drawn(),
        f"How many patches have a token of which length, behind layer {layer}, and "
        f"the cutoff at {cutoff:.1f}. In a model with outliers there are two humps, "
        f"and the cutoff belongs between them. {verdict(numbers)}",
        f"A histogram from {norms.min():.1f} to {norms.max():.1f} with a line at "
        f"{cutoff:.1f}.",
    )


def draw_layers(scene: Scene, norms: np.ndarray) -> None:
    """The norms of all patches behind each layer."""
    points = [(float(i), float(v)) for i, row in enumerate(norms) for v in row]
    chart = Chart(
        Axis("layer"), Axis("norm"), np.array([0, len(norms) - 1]),
        np.array([0, norms.max()]),
    )
    chart.dots(points, radius=4)
    medians = ", ".join(f"{v:.1f}" for v in np.median(norms, 1))
    scene.recorder.picture(
        "layers", chart.drawn(),
        "The same behind every layer, one ring per patch. Tokens grow with depth in "
        "nearly every transformer; outliers would leave the others behind from some "
        "layer on.",
        f"Dots over {len(norms)} layers; medians {medians}.",
    )
