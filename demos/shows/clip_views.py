"""Clip views demo: what a method of video learning cuts out of one clip.

The views are the module's own; where they were cut is found by asking which pixels
they depend on (demos.pieces.reach), and what they are called stands in
demos.pieces.filming.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import partial
from inspect import signature
from types import ModuleType

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from demos.drawing import flows, pictures
from demos.drawing.curves import SERIES
from demos.drawing.pictures import GROUND, LINE, TEXT, font
from demos.intake.frames import evenly
from demos.pieces import clips
from demos.pieces.filming import UNKNOWN, WORDS
from demos.pieces.reach import Reach, reaches, tensors
from demos.scene import Numbers, Scene

SHORT, LEAST = 120, 16
LARGER = 3          # times the sides that the module's tiny network takes: to see more
MOMENTS = 4         # frames of each view that are drawn
CELL, WIDTH, ROW, NAME = 240, 760, 40, 190


def show(scene: Scene) -> Numbers:
    """The views of one clip, then where and when each was cut."""
    recorder, seed = scene.recorder, int(scene.options["seed"])
    recorder.progress(0, 1, "Cutting views")
    clip = clips.prepared(scene.frames, SHORT, 8, LEAST)
    pixels = clip.pixels.to(scene.device)
    config = enlarged(scene.module)
    make = partial(scene.module.clip_views, **config)
    split = partial(separate, flow=hasattr(config.get("config"), "flows"))
    with torch.no_grad():
        views = split(make(pixels[None], torch.Generator().manual_seed(seed)))
    names = named(scene.paper, len(views))
    found = []
    for n, reach in enumerate(reaches(make, pixels, seed, split), start=1):
        found.append(reach)
        recorder.progress(n, len(views), f"Found view {n}")
    draw(scene, clip, names, views, found)
    recorder.arrays(
        "views", "Each view as the network gets it, and the frames that it was cut "
        "from.", **{f"view{n}": view.cpu().numpy() for n, view in enumerate(views, 1)},
        frames=np.stack([reach.times for reach in found]),
        boxes=np.array([reach.box for reach in found]),
    )
    return measure(clip, names, views, found)


def enlarged(module: ModuleType) -> dict[str, object]:
    """The module's tiny configuration with larger views, where it takes one."""
    if "config" not in signature(module.clip_views).parameters:
        return {}
    sizes = {
        field.name: LARGER * getattr(module.TINY, field.name)
        for field in fields(module.TINY)
        if field.name.endswith("_size") and field.name != "patch_size"
    }
    return {"config": replace(module.TINY, **sizes)}


def separate(batch: object, flow: bool) -> list[Tensor]:
    """A batch of one clip as views of (3, T, h, w), or (2, T, h, w) of flow."""
    views: list[Tensor] = []
    for tensor in tensors(batch):
        one = tensor[0]
        if flow:      # (segments, 2 T, H, W), u and v in turns
            views += [part.unflatten(0, (-1, 2)).transpose(0, 1) for part in one]
        elif one.ndim == 5:                                      # (N, 3, T, h, w)
            views += [*one]
        elif one.shape[0] == 3:
            views.append(one if one.ndim == 4 else one[:, None])
    return views


def named(paper: str, count: int) -> list[str]:
    """A name for each view."""
    names = WORDS.get(paper, UNKNOWN).names
    return list(names) if len(names) == count else [
        f"view {n}" for n in range(1, count + 1)
    ]


def measure(
    clip: clips.Clip, names: Sequence[str], views: Sequence[Tensor],
    found: Sequence[Reach],
) -> Numbers:
    """What each view has, and what it covers."""
    H, W = clip.pixels.shape[2:]
    area = [
        (r.box[2] - r.box[0]) * (r.box[3] - r.box[1]) / (H * W) for r in found
    ]
    return {
        "clip_frames": clip.length, "clip_px": f"{W} x {H}", "views": list(names),
        "frames": [view.shape[1] for view in views],
        "first_frame": [int(np.flatnonzero(r.times)[0]) + 1 for r in found],
        "last_frame": [int(np.flatnonzero(r.times)[-1]) + 1 for r in found],
        "share_of_frame": [round(share, 3) for share in area],
        "panned": "yes" if clip.panned else "no",
    }


# Pictures


def draw(
    scene: Scene, clip: clips.Clip, names: Sequence[str], views: Sequence[Tensor],
    found: Sequence[Reach],
) -> None:
    """Where and when each view was cut, then the views themselves."""
    idea = WORDS.get(scene.paper, UNKNOWN).idea
    listed = "; ".join(
        f"{name}: frames {', '.join(str(t + 1) for t in np.flatnonzero(r.times))}"
        for name, r in zip(names, found, strict=True)
    )
    scene.recorder.picture(
        "where", mapped(clip, names, found),
        "Where and when each view is cut from the clip. Above, its window, drawn into "
        "the clip's middle frame; below, a row for each view with a bar for each frame "
        f"of the clip that it reads ({listed}). {idea} {clip.note} Another seed gives "
        "other windows.",
        f"Windows of {len(names)} views in a frame, and a timeline: {listed}.",
    )
    cells, words = [], []
    columns = min(MOMENTS, max(view.shape[1] for view in views))
    for view, name in zip(views, names, strict=True):
        shown = pictured(view)
        moments = evenly(range(len(shown)), columns)
        row = [pictures.scaled(shown[t], CELL) for t in moments]
        row += [Image.new("RGB", row[0].size, GROUND)] * (columns - len(row))
        labels = [name, f"{len(shown)} frames" if len(shown) > 1 else "one frame"]
        cells += row
        words += [*labels, *[""] * columns][:columns]
    scene.recorder.picture(
        "views", pictures.sheet(pictures.framed(cells), words, columns),
        "The views as the network gets them, a row for each, some frames of it from "
        "the first to the last; each stretched to its own range of brightness. Views "
        f"are enlarged alike here and {LARGER} times as large as the tiny network of "
        "this page takes them; the paper's are larger.",
        f"Frames of {len(names)} views: {', '.join(names)}.",
    )


def pictured(view: Tensor) -> list[Image.Image]:
    """A view's frames, its range from the 1st to the 99th percentile full."""
    values = view.float().cpu()
    if len(values) == 2:
        fastest = max(0.5, float(np.quantile(values.norm(dim=0), 0.99)))
        return [flows.coloured(one.numpy(), fastest) for one in values.unbind(1)]
    low, high = (float(q) for q in np.quantile(values, (0.01, 0.99)))
    return clips.to_images((values - low) / max(high - low, 1e-6))


def mapped(
    clip: clips.Clip, names: Sequence[str], found: Sequence[Reach]
) -> Image.Image:
    """The middle frame with every view's window, and the timeline under it."""
    frame = clip.images()[clip.length // 2]
    zoom = (WIDTH - 2 * pictures.PADDING) / frame.width
    size = (round(frame.width * zoom), round(frame.height * zoom))
    top = size[1] + 2 * pictures.PADDING
    canvas = Image.new("RGB", (WIDTH, top + ROW * len(names) + ROW), GROUND)
    canvas.paste(frame.resize(size, Image.Resampling.LANCZOS), (pictures.PADDING,) * 2)
    draw = ImageDraw.Draw(canvas)
    for n, (name, reach) in enumerate(zip(names, found, strict=True)):
        colour = SERIES[n % len(SERIES)]
        inset = 5 * sum(reach.box == other.box for other in found[:n])
        corners = [round(edge * zoom) + pictures.PADDING for edge in reach.box]
        box = (corners[0] + inset, corners[1] + inset,
               corners[2] - 1 - inset, corners[3] - 1 - inset)
        if box[2] > box[0] and box[3] > box[1]:
            draw.rectangle(box, outline=colour, width=4)
        timeline(draw, top + ROW * n, name, reach.times, colour)
    left, room = NAME, WIDTH - NAME - pictures.PADDING
    low = top + ROW * len(names) + ROW / 2
    draw.text((left, low), "first frame", TEXT, font(18), anchor="lm")
    draw.text((left + room, low), f"frame {clip.length}", TEXT, font(18), anchor="rm")
    return canvas


def timeline(
    draw: ImageDraw.ImageDraw, top: int, name: str, times: np.ndarray, colour: str
) -> None:
    """One row: a name, and a bar for each frame, filled where it is read."""
    step = (WIDTH - NAME - pictures.PADDING) / len(times)
    draw.text((pictures.PADDING, top + ROW / 2), name, colour, font(18), anchor="lm")
    for t, read in enumerate(times):
        left = NAME + t * step
        box = (left + 1, top + 6, left + step - 1, top + ROW - 6)
        draw.rectangle(box, fill=colour if read else LINE)
