"""Views demo: the random views that a paper's own augmentation makes of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from itertools import groupby

import numpy as np
from PIL import Image

from demos.drawing import boards
from demos.pieces import seeing
from demos.pieces.seeing import SIDE, View
from demos.pieces.watching import COLOURS, NUMBERS, Drawn, watcher
from demos.results import Recorder
from demos.scene import Numbers, Scene

STRENGTHS = {
    "area": "crop, share of the picture",
    "jitter": "colour changes, probability",
    **{name: f"{name}, at most ±" for name in COLOURS},
    "hue": "hue, at most ± turns",
    "grey": "grey, probability",
    "blur": "blur, probability",
    "solarize": "solarising, probability",
}
FEW = 2  # views that have room beside the picture, and words in the caption
SAME = (
    " The network is to know them as one picture's: what the changes destroy cannot "
    "be what it goes by."
)


def show(scene: Scene) -> Numbers:
    """Draw views a few times; each draw is a picture with the frames of its crops."""
    recorder, draws = scene.recorder, int(scene.options["draws"])
    picture = seeing.subject(scene.module, scene.picture)
    pixels = seeing.pixels_of(picture).to(scene.device)
    size = (pixels.shape[-1], SIDE)
    generator = watcher(int(scene.options["seed"]), recorder.alive)
    told = seeing.settings(scene.module)
    drawn = []
    for k in range(draws):
        recorder.progress(k, draws, f"Draw {k + 1}")
        views = seeing.seen(scene.module, pixels, generator, told)
        recorder.alive()
        draw_views(recorder, picture, views, size, k + 1)
        drawn.append([view.drawn for view in views])
    recorder.progress(draws, draws, "Writing the numbers")
    tabulate(recorder, drawn, size)
    return {
        "views": len(drawn[0]),
        "crop_shares": [[round(one.share, 3) for one in draw] for draw in drawn],
        "shared_by_the_first_two": [round(common(draw), 3) for draw in drawn],
    }


def common(draw: Sequence[Drawn]) -> float:
    """Share of the first crop that the second one shows as well; 1 for a single one."""
    return seeing.shared(draw[0].box, draw[min(1, len(draw) - 1)].box)


def draw_views(
    recorder: Recorder,
    picture: Image.Image,
    views: Sequence[View],
    size: tuple[int, int],
    number: int,
) -> None:
    """The picture with its frames, and the views; at first with what they are for."""
    drawn = [view.drawn for view in views]
    frames = f"Draw {number}: the frames show where each view was cut."
    if len(views) > 1:
        frames += f" {100 * common(drawn):.0f} % of view 1 lies in view 2 as well."
    if number == 1 and len(views) > 1:
        sides = [view.pixels.shape[-1] for view in views]
        frames += SAME + sizes(sides) + asymmetry(drawn)
    words = [one.words(size) for one in drawn]
    if len(views) > FEW:
        words = [label(one) for one in drawn]
        frames += " The table below says what was done to each."
    said = "; ".join(f"view {i + 1}: {word}" for i, word in enumerate(words))
    recorder.picture(
        f"draw_{number}", arranged(picture, views),
        f"{frames} {said.capitalize()}.",
        f"The picture with {len(views)} frames, and what was cut there. {said}.",
    )


def arranged(picture: Image.Image, views: Sequence[View]) -> Image.Image:
    """Few views beside the picture, many below it."""
    names = [str(i + 1) for i in range(len(views))]
    tiles, boxes = [view.picture for view in views], [view.drawn.box for view in views]
    labels = [f"{i}: {label(view.drawn)}" for i, view in zip(names, views, strict=True)]
    colours = [boards.colour(i) for i in range(len(views))]
    if len(views) <= FEW:
        outlined = boards.outlined(picture, boxes, names, letter=1 / 12)
        return boards.board(
            [outlined, *tiles], ["picture", *labels], len(views) + 1, ["", *colours]
        )
    above = boards.board([boards.outlined(picture, boxes, names)], ["picture"], 1)
    return boards.stacked([above, boards.board(tiles, labels, 4, colours)])


def label(drawn: Drawn) -> str:
    """The crop's share, and whether the network gets it in tiles."""
    return f"{'tiles of ' if drawn.tiles else ''}{100 * drawn.share:.0f} %"


def sizes(sides: Sequence[int]) -> str:
    """How large the views are, where they are not alike, as a sentence."""
    runs = [f"{side} pixels{times(list(same))}" for side, same in groupby(sides)]
    return f" Views have sides of {', then '.join(runs)}." if len(runs) > 1 else ""


def asymmetry(drawn: Sequence[Drawn]) -> str:
    """In what the views' distributions differ, as a sentence; "" where in nothing."""
    hows = [one.how for one in drawn if one.how]
    found = []
    for name in names_of(hows):
        values = [written(getattr(how, name)) for how in hows]
        if len(set(values)) > 1:
            runs = [f"{value}{times(list(same))}" for value, same in groupby(values)]
            found.append(f"{STRENGTHS.get(name, name)} {', then '.join(runs)}")
    listed = "; ".join(found)
    return f" They are not drawn alike: {listed}." if found else ""


def names_of(hows: Sequence[object]) -> list[str]:
    """The strengths that all these distributions have."""
    return [field.name for field in fields(hows[0])] if hows else []  # type: ignore


def times(same: Sequence[object]) -> str:
    """How often a value stands, where more than once."""
    return f" ({len(same)} times)" if len(same) > 1 else ""


def written(value: float | tuple[float, float]) -> str:
    """A strength or a range."""
    if isinstance(value, tuple):
        return f"{value[0]:g} to {value[1]:g}"
    return f"{value:g}"


def tabulate(
    recorder: Recorder, drawn: Sequence[Sequence[Drawn]], size: tuple[int, int]
) -> None:
    """Every draw as a row, the distributions as a table, and all as numbers."""
    rows = [
        [str(k + 1), str(i + 1), f"{100 * one.share:.1f} %", f"{one.aspect(size):.2f}",
         ", ".join(one.said) or "nothing else"]
        for k, draw in enumerate(drawn) for i, one in enumerate(draw)
    ]
    recorder.table(
        "drawn", "Everything that was drawn.",
        ["draw", "view", "crop", "width / height", "changes, in this order"], rows,
    )
    hows = [one.how for one in drawn[0] if one.how]
    if hows:
        strengths = [
            [STRENGTHS.get(name, name), *(written(getattr(how, name)) for how in hows)]
            for name in names_of(hows)
        ]
        columns = ["drawn from", *(f"view {i + 1}" for i in range(len(hows)))]
        recorder.table(
            "distributions", "What each view is drawn from, as the code has it.",
            columns, strengths,
        )
    recorder.arrays(
        "numbers", f"Every draw as numbers, (draws, views, {len(NUMBERS)}): "
        f"{', '.join(NUMBERS)}. Frames in shares of the picture, NaN: not drawn.",
        drawn=np.array([[one.numbers() for one in draw] for draw in drawn]),
    )
