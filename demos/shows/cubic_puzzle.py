"""Cubic puzzle demo: four pieces of a clip, shuffled, and what hides the easy cues.

No network takes part: what is shown is the question that it gets, and the answer.
"""

from __future__ import annotations

import math

import torch
from PIL import Image, ImageDraw
from torch import Generator, Tensor

from demos.drawing import pictures
from demos.drawing.pictures import GROUND
from demos.intake.frames import evenly
from demos.pieces import clips
from demos.scene import Numbers, Scene

SHORT, LEAST = 128, 16
MOMENTS = 3            # frames of each piece that are drawn
CELL = 260
USED, EDGE = "#f7a13e", "#eceef2"
PLACES = ("top left", "top right", "bottom left", "bottom right")


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """One puzzle by the module's functions: pieces, and where they were cut."""
    module, options, recorder = scene.module, scene.options, scene.recorder
    recorder.progress(0, 2, "Cutting")
    clip = clips.prepared(scene.frames, SHORT, 2, LEAST)
    length = clip.length // 4 * 4
    pixels = clip.pixels[None, :, :length].to(scene.device)      # (1, 3, T, H, W)
    generator = torch.Generator().manual_seed(int(options["seed"]))
    channel, number, fixed = (
        drawn(n, generator).to(scene.device) for n in (3, 24, 4)
    )
    if options["grey"]:
        pixels = module.replicate_channel(pixels, channel)
    mode = str(options["cut"])
    pieces = module.cells(pixels, number, fixed, mode)           # (1, 4, 3, t, h, w)
    if options["jitter"]:
        size = [max(1, round(module.SHARE * side)) for side in pieces.shape[3:]]
        pieces = module.jitter(pieces, tuple(size), generator)
    order = [int(n) for n in module.PERMUTATIONS[int(number)]]
    names = PLACES if mode == "spatial" else tuple(f"quarter {n}" for n in range(1, 5))
    draw_pieces(scene, pieces[0].cpu(), [names[n] for n in order], clip.note)
    recorder.progress(1, 2, "Drawing")
    draw_cells(scene, pixels[0].cpu(), mode, int(fixed))
    recorder.arrays("pieces", "The pieces as the encoder gets them, before they are "
                    "normalised: (4, 3, t, h, w).", pieces=pieces[0].cpu().numpy())
    recorder.progress(2, 2, "Done")
    return {
        "class": int(number), "order": [n + 1 for n in order], "classes": 24,
        "loss_of_guessing": round(math.log(24), 4),
        "frames_in_a_piece": pieces.shape[3],
        "piece_px": f"{pieces.shape[5]} x {pieces.shape[4]}",
        "panned": "yes" if clip.panned else "no",
    }


def drawn(below: int, generator: Generator) -> Tensor:
    """One random number, (1,) long."""
    return torch.randint(below, (1,), generator=generator)


def draw_pieces(scene: Scene, pieces: Tensor, places: list[str], note: str) -> None:
    """A row for each piece: frames of it, and the answer."""
    moments = evenly(range(pieces.shape[2]), MOMENTS)
    cells, words = [], []
    for n, (piece, place) in enumerate(zip(pieces, places, strict=True), start=1):
        cells += clips.to_images(piece[:, moments])
        labels = [f"piece {n}", f"is {place}"] + [""] * MOMENTS
        words += labels[: len(moments)]
    done = [word for name, word in (
        ("grey", "one colour channel stands for all three, so that colour fringes of "
         "the lens tell nothing"),
        ("jitter", "each piece is a smaller window of its cell, so that edges do not "
         "meet"),
    ) if scene.options[name]]
    rules = f" Against cheating, {'; '.join(done)}." if done else (
        " Nothing was done against cheating: edges that meet give the order away."
    )
    answer = ", ".join(places)
    scene.recorder.picture(
        "puzzle", pictures.sheet(cells, words, len(moments), CELL),
        f"The puzzle: four pieces, one in each row, with frames from its beginning to "
        f"its end. In which of 24 orders do they stand? The answer: {answer}.{rules} "
        f"{note} To solve it a network must know what belongs where, or before what; "
        "none was asked here.",
        f"Four rows of frames, one for each piece: {answer}.",
    )


def draw_cells(scene: Scene, pixels: Tensor, mode: str, fixed: int) -> None:
    """The middle frame of each quarter in time; cells that were used are framed."""
    quarter = pixels.shape[1] // 4
    frames = clips.to_images(pixels[:, quarter // 2 :: quarter])
    for time, frame in enumerate(frames):
        frames[time] = boxed(pictures.scaled(frame, 2 * CELL), [
            (mode == "spatial" and time == fixed) or (mode != "spatial" and n == fixed)
            for n in range(4)
        ])
    where = f"in quarter {fixed + 1} of the time" if mode == "spatial" else (
        f"at the {PLACES[fixed]}, in all four quarters of the time"
    )
    scene.recorder.picture(
        "cells",
        pictures.sheet(frames, [f"quarter {n}" for n in range(1, 5)], 2),
        "The clip in sixteen cells: two by two in space, four in time (one frame of "
        f"each quarter is shown). The four with the orange frame were used: {where}.",
        f"Four frames, each cut in four; the pieces are {where}.",
    )


def boxed(frame: Image.Image, used: list[bool]) -> Image.Image:
    """The frame with its quadrants outlined; those not used are dark."""
    half_w, half_h = frame.width // 2, frame.height // 2
    corners = [(x * half_w, y * half_h) for y in (0, 1) for x in (0, 1)]
    dim = Image.blend(frame, Image.new("RGB", frame.size, GROUND), 0.65)
    draw = ImageDraw.Draw(dim)
    for use, (x, y) in zip(used, corners, strict=True):
        box = (x, y, x + half_w, y + half_h)
        if use:
            dim.paste(frame.crop(box), box[:2])
    for use, (x, y) in sorted(zip(used, corners, strict=True)):
        box = (x + 1, y + 1, x + half_w - 2, y + half_h - 2)
        draw.rectangle(box, outline=USED if use else EDGE, width=5 if use else 1)
    return dim
