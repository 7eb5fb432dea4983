"""Jigsaw demo: tiles with gaps, shuffled, and how far the orders lie apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Generator, Tensor

from demos.drawing import boards
from demos.drawing.colour import colour_map
from demos.drawing.pictures import GROUND, font
from demos.pieces import seeing
from demos.pieces.seeing import GAP, SIDE, View
from demos.pieces.watching import Box, Drawn, watcher
from demos.results import Recorder
from demos.scene import Numbers, Scene

CELL = 468     # pixels
LETTER = 1 / 12
CLOSED = (
    " Each tile is brought to the same mean and contrast, so brightness does not tell "
    "who its neighbours were; colour channels are moved apart, hence the fringes, so "
    "the lens's own fringes do not tell how far from the middle it was."
)


def show(scene: Scene) -> Numbers:
    """One puzzle from picture to shuffled tiles, then the set of orders."""
    recorder, module = scene.recorder, scene.module
    recorder.progress(0, 2, "Cutting tiles")
    wanted, seed = int(scene.options["permutations"]), int(scene.options["seed"])
    told = seeing.settings(module)
    if "config" in told:
        told["config"] = replace(told["config"], permutations=wanted)
    picture = seeing.subject(module, scene.picture)
    pixels = seeing.pixels_of(picture).to(scene.device)
    view = seeing.seen(module, pixels, watcher(seed, recorder.alive), told)[-1]
    windows = places(view.drawn, pixels.shape[-1])
    by_tile = hasattr(module, "normalize_tiles")
    draw_puzzle(recorder, picture, view, windows, by_tile)
    recorder.arrays(
        "puzzle", "Tiles as the network reads them (9, 3, S, S), the place that each "
        "came from, and their windows (9, 4) as left, top, right, bottom in shares of "
        "the picture, place by place.",
        tiles=view.pixels.cpu().numpy(), order=np.array(view.drawn.order),
        windows=np.array(windows),
    )
    numbers: Numbers = {
        "order": [place + 1 for place in view.drawn.order],
        "tile_pixels": view.pixels.shape[-1],
    }
    if hasattr(module, "select_permutations"):
        recorder.progress(1, 2, "Choosing orders")
        numbers |= draw_orders(scene, wanted, seed)
    return numbers


def places(drawn: Drawn, width: int) -> list[Box]:
    """The tiles' windows in the picture, which is `width` wide where it was not cut."""
    size = (SIDE, SIDE) if drawn.how else (width, SIDE)
    return [drawn.inside(tile, size) for tile in drawn.tiles]


# The puzzle


def draw_puzzle(
    recorder: Recorder,
    picture: Image.Image,
    view: View,
    windows: list[Box],
    by_tile: bool,
) -> None:
    """Windows, tiles in their places, tiles as shuffled, and the answer."""
    order, side = view.drawn.order, view.pixels.shape[-1]
    at_home = torch.empty_like(view.pixels)
    at_home[order] = view.pixels
    home = list(range(len(order)))
    tiles = [
        boards.outlined(picture, windows, named(home), CELL, shades(home), LETTER),
        numbered(at_home, home, by_tile),
        numbered(view.pixels, order, by_tile),
        answer(order),
    ]
    labels = ["windows", "tiles in place", "what the network gets", "their places"]
    found = ", ".join(named(order))
    own = CLOSED if by_tile else ""
    recorder.picture(
        "puzzle", boards.board(tiles, labels, 2),
        f"Nine windows of {side} pixels, each at a random place of its cell, so lines "
        f"do not run on from one to the next.{own} The network gets the tiles without "
        f"numbers, from places {found}: only who knows what the parts are can see how "
        "they belong together.",
        f"The picture with nine windows; the tiles in place; shuffled, from places "
        f"{found}.",
    )


def numbered(tiles: Tensor, order: list[int], by_tile: bool) -> Image.Image:
    """Tiles row by row, each with the number of its place."""
    drawn, side = seeing.shape_up(tiles, by_tile), tiles.shape[-1]
    whole, step = drawn.width, side + GAP
    corners = [(i % 3 * step, i // 3 * step) for i in range(len(order))]
    boxes = [
        (x / whole, y / whole, (x + side) / whole, (y + side) / whole)
        for x, y in corners
    ]
    return boards.outlined(drawn, boxes, named(order), CELL, shades(order), LETTER)


def answer(order: list[int]) -> Image.Image:
    """The places in large digits."""
    canvas = Image.new("RGB", (CELL, CELL), GROUND)
    draw, step = ImageDraw.Draw(canvas), CELL / 3
    for i, place in enumerate(order):
        at = ((i % 3 + 0.5) * step, (i // 3 + 0.5) * step)
        draw.text(at, str(place + 1), boards.colour(place), font(CELL // 6), "mm")
    return canvas


def named(order: list[int]) -> list[str]:
    """Places counted from 1."""
    return [str(place + 1) for place in order]


def shades(order: list[int]) -> list[str]:
    """A colour for each place."""
    return [boards.colour(place) for place in order]


# The orders


def draw_orders(scene: Scene, wanted: int, seed: int) -> Numbers:
    """Distances between the chosen orders, and between as many random ones."""
    chosen = scene.module.select_permutations(9, wanted)                 # (K, 9)
    luck = Generator().manual_seed(seed)
    drawn = torch.stack([torch.randperm(9, generator=luck) for _ in range(wanted)])
    tables = [scene.module.hamming_distances(one).numpy() for one in (chosen, drawn)]
    names, found = ("chosen", "random"), [apart(table) for table in tables]
    labels = [
        f"{name}: {9 * mean:.1f} places\nat least {9 * least:.0f}"
        for name, (mean, least) in zip(names, found, strict=True)
    ]
    said = "; ".join(label.replace("\n", " on average, ") for label in labels)
    scene.recorder.picture(
        "orders", boards.board([matrix(table) for table in tables], labels, 2),
        f"In how many of nine places two of {wanted} orders differ, dark none (an "
        f"order and itself), pale yellow all nine. {said.capitalize()}. Orders are "
        "chosen one by one, each as far as can be from all before. Two that differ in "
        "two places alone would be told apart by two tiles, which may both show sky.",
        f"Two tables of distances between {wanted} orders. {said}.",
    )
    scene.recorder.arrays(
        "orders", f"The {wanted} orders, chosen and random, and the share of places in "
        "which two differ.",
        chosen=chosen.numpy(), random=drawn.numpy(), chosen_distances=tables[0],
        random_distances=tables[1],
    )
    return {
        "mean_distance": [round(mean, 3) for mean, _ in found],
        "least_distance": [round(least, 3) for _, least in found],
    }


def apart(table: np.ndarray) -> tuple[float, float]:
    """Mean and smallest distance between different orders."""
    others = table[~np.eye(len(table), dtype=bool)]
    return float(others.mean()), float(others.min())


def matrix(table: np.ndarray) -> Image.Image:
    """Distances in [0, 1] in colour, on one scale for all tables."""
    colours = colour_map()[(255 * table).round().astype(int)]
    return Image.fromarray(colours).resize((CELL, CELL), Image.Resampling.NEAREST)
