"""Attention distance demo: how far each head of each layer looks, in pixels."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw

from demos.drawing import tiles
from demos.drawing.charts import Chart
from demos.drawing.plots import Axis
from demos.intake import images
from demos.listening import listening
from demos.pieces import maps, tokens
from demos.scene import Numbers, Scene
from reference_impls.vit import mean_attention_distance

CELL = 320
RING = "#fbc95c"


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """Plot the heads' distances over the layers, and draw them into the picture."""
    fitted = tokens.fit(scene.picture, scene.loaded, str(scene.options["size"]))
    read = scene.stage("distances", lambda: distances(scene, fitted))
    found = read["whole" if scene.options["whole"] else "plain"]  # (L, h)
    uniform = read["uniform"].item()
    draw_plot(scene, found, uniform, fitted)
    draw_rings(scene, found, fitted)
    scene.recorder.table(
        "layers", "Mean attention distance in pixels, of the nearest head, on average, "
        "and of the farthest head of each layer.",
        ["layer", "nearest head", "mean", "farthest head"],
        [[str(i), *(f"{v:.1f}" for v in (row.min(), row.mean(), row.max()))]
         for i, row in enumerate(found)],
    )
    scene.recorder.arrays(
        "distances", "Pixels, (layers, heads): as the paper's rows are, with patches "
        "alone as the whole, and of attention that is everywhere equal.", **read,
    )
    return {
        "layers": found.shape[0], "heads": found.shape[1],
        "nearest_px": float(found.min()), "farthest_px": float(found.max()),
        "uniform_px": uniform,
        "mean_of_layers_px": [float(v) for v in found.mean(1)],
    }


def distances(scene: Scene, fitted: images.Fitted) -> dict[str, np.ndarray]:
    """The expensive stage: `plain` and `whole`, (L, h), and `uniform`, in pixels."""
    loaded, recorder = scene.loaded, scene.recorder
    recorder.progress(0, loaded.depth, "The model reads the picture")
    model, patch = loaded.model, loaded.patch_size
    grid, prefix, found = fitted.grid(patch), loaded.num_prefix, []
    with listening(model, recorder.alive):
        layers = maps.layer_weights(model, tokens.pixels(scene, fitted))
        for i, weights in enumerate(layers):
            found.append([
                mean_attention_distance(weights[None], grid, patch, prefix, whole)[0]
                for whole in (False, True)
            ])
            recorder.progress(i + 1, loaded.depth, f"Layer {i}")
    N = grid[0] * grid[1]
    uniform = mean_attention_distance(
        torch.full((1, 1, N, N), 1 / N), grid, patch, num_prefix=0
    )
    plain, whole = (torch.stack(both).numpy() for both in zip(*found, strict=True))
    return {"plain": plain, "whole": whole, "uniform": uniform.numpy()}


def draw_plot(
    scene: Scene, found: np.ndarray, uniform: float, fitted: images.Fitted
) -> None:
    """A dot per head over the layers (the paper's figure 7, right)."""
    points = [(float(i), float(v)) for i, row in enumerate(found) for v in row]
    chart = Chart(
        Axis("layer"), Axis("distance in pixels"),
        np.array([0, len(found) - 1]), np.array([0, uniform, found.max()]),
    )
    chart.level("looking everywhere alike", uniform)
    chart.dots(points)
    means = ", ".join(f"{v:.0f}" for v in found.mean(1))
    size = f"{fitted.image.width} × {fitted.image.height}"
    scene.recorder.picture(
        "distance", chart.drawn(),
        f"How far each head looks, in pixels of the picture at {size}: one ring per "
        f"head. The line is a head that looks everywhere alike ({uniform:.0f} pixels). "
        "In the paper's large model some early heads look near and others far, and "
        "late ones all look far; a small model on one picture need not do the same.",
        f"Dots over {len(found)} layers; layer means {means} pixels; from "
        f"{found.min():.0f} to {found.max():.0f}; everywhere alike {uniform:.0f}.",
    )


def draw_rings(scene: Scene, found: np.ndarray, fitted: images.Fitted) -> None:
    """Every head's distance as a ring round the middle of the picture."""
    small = tiles.small(fitted, CELL)
    pixel = small.width / fitted.image.width
    drawn = [ringed(small, row * pixel) for row in found]
    labels = [f"layer {i}" for i in range(len(found))]
    scene.recorder.picture(
        "rings", tiles.sheet(drawn, labels, 3),
        "The same distances as rings round the middle of your picture, one per head: "
        "a head's patches take what they need from about so far away on average. "
        f"{fitted.note}",
        "The picture once per layer, with rings: "
        + "; ".join(f"layer {i}: radius {row.min():.0f} to {row.max():.0f} pixels"
                    for i, row in enumerate(found)) + ".",
    )


def ringed(picture: Image.Image, radii: np.ndarray) -> Image.Image:
    """The picture, darker, with a ring of each radius round its middle."""
    dark = picture.convert("L").convert("RGB").point(lambda v: v * 0.55)
    draw = ImageDraw.Draw(dark)
    for radius in radii:
        draw.circle((dark.width / 2, dark.height / 2), float(radius), None, RING, 2)
    return dark
