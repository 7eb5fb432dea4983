"""Crops demo: how much of a picture survives a random crop, in two ways of cutting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from demos.drawing import boards, pictures
from demos.drawing.colour import colour_map
from demos.pieces.cropping import LITTLE, SHOWN, Way, two_ways
from demos.results import Recorder
from demos.scene import Numbers, Scene

FRAMES = 8
SMALL = 0.2  # a crop with less of the picture
CELL = 480   # pixels


def show(scene: Scene) -> Numbers:
    """Cut many crops both ways; show some, and what all of them hold."""
    recorder, options = scene.recorder, scene.options
    recorder.progress(0, 2, "Cutting")
    *ways, why = two_ways(
        scene.module, scene.picture, int(options["crops"]), int(options["seed"])
    )
    recorder.progress(1, 2, "Drawing")
    draw_frames(recorder, scene.picture, ways, why)
    maps = draw_coverage(recorder, scene.picture, ways)
    draw_examples(recorder, ways)
    recorder.table(
        "compared", f"The same in numbers, over {len(ways[0].boxes)} crops each.",
        ["", *(way.name for way in ways)], compared(ways),
    )
    recorder.arrays(
        "crops", "Boxes (crops, 4) as left, top, right, bottom in shares of the "
        "picture, and how often each place is seen; `own` is the paper's way.",
        usual=np.array(ways[0].boxes), own=np.array(ways[1].boxes),
        usual_coverage=maps[0], own_coverage=maps[1],
    )
    return {
        "mean_share": [round(float(way.shares.mean()), 3) for way in ways],
        "smallest_share": [round(float(way.shares.min()), 3) for way in ways],
        "longest_stretch": [round(max(way.stretch), 2) for way in ways],
    }


def compared(ways: Sequence[Way]) -> list[list[str]]:
    """What is measured, as rows."""
    return [
        ["mean share of the picture", *(percent(way.shares.mean()) for way in ways)],
        ["smallest share", *(percent(way.shares.min()) for way in ways)],
        [f"crops with less than {percent(SMALL)}",
         *(percent((way.shares < SMALL).mean()) for way in ways)],
        ["most stretched", *(f"{max(way.stretch):.2f} : 1" for way in ways)],
        [f"pairs that share less than {percent(LITTLE)}",
         *(percent(way.strangers()) for way in ways)],
    ]


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def draw_frames(
    recorder: Recorder, picture: Image.Image, ways: Sequence[Way], why: str
) -> None:
    """The first crops of both ways as frames."""
    tiles = [boards.outlined(picture, way.boxes[:FRAMES], side=CELL) for way in ways]
    means = [percent(way.shares.mean()) for way in ways]
    labels = [f"{way.name}\n{mean} stay" for way, mean in zip(ways, means, strict=True)]
    names = " and ".join(way.name for way in ways)
    said = "; ".join(label.replace("\n", ": ") for label in labels)
    recorder.picture(
        "frames", boards.board(tiles, labels, 2),
        f"Where {FRAMES} random crops are cut, {names}. Of the picture's area on "
        f"average {said}. {why}",
        f"The picture twice with {FRAMES} frames each. {said}.",
    )


def draw_coverage(
    recorder: Recorder, picture: Image.Image, ways: Sequence[Way]
) -> list[np.ndarray]:
    """How often each place is seen. Returns the maps, (rows, columns) in [0, 1]."""
    small = pictures.scaled(picture, CELL)
    rows, columns = (max(4, side // 8) for side in (small.height, small.width))
    maps = [way.coverage(rows, columns) for way in ways]
    ranges = [f"{percent(one.min())} to {percent(one.max())}" for one in maps]
    names = [way.name for way in ways]
    labels = [f"{n}\n{r}" for n, r in zip(names, ranges, strict=True)]
    said = "; ".join(f"{n}: {r}" for n, r in zip(names, ranges, strict=True))
    recorder.picture(
        "coverage", boards.board([shaded(small, one) for one in maps], labels, 2),
        f"How many of {len(ways[0].boxes)} crops hold each place of the picture, dark "
        f"none, pale yellow all ({said}). What lies where it is dark is seldom learnt "
        "from.",
        f"Two heat maps over the picture. {said} of the crops hold a place.",
    )
    return maps


def shaded(picture: Image.Image, share: np.ndarray) -> Image.Image:
    """Shares in [0, 1] in colour over the greyed picture, on one scale for all maps."""
    colours = Image.fromarray(colour_map()[(255 * share).round().astype(int)])
    grey = picture.convert("L").convert("RGB")
    return Image.blend(grey, colours.resize(picture.size), 0.65)


def draw_examples(recorder: Recorder, ways: Sequence[Way]) -> None:
    """Some crops as the network would get them."""
    tiles = [crop for way in ways for crop in way.crops]
    shares = [percent(share) for way in ways for share in way.shares[:SHOWN]]
    said = "; ".join(
        f"{way.name}: {', '.join(map(percent, way.shares[:SHOWN]))}" for way in ways
    )
    recorder.picture(
        "examples", boards.board(tiles, shares, SHOWN),
        f"The first {SHOWN} crops as the network gets them, and their shares of the "
        f"picture. Above {ways[0].name}, below {ways[1].name}.",
        f"{len(tiles)} square crops. {said}.",
    )
