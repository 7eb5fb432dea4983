"""Arrow of time demo: one clip in both directions, as the network sees it.

No network takes part: what is shown is its input, and what its loss asks for.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from demos.drawing import flows, pictures
from demos.intake.frames import evenly
from demos.pieces import clips
from demos.scene import Numbers, Scene

SHORT, MULTIPLE = 120, 2
COLUMNS = 4
CELL = 240        # pixels of a picture in the sheet
GUESSES = {"a sure yes": 3.0, "no idea": 0.0, "a sure no": -3.0}  # logits


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """Flow of the clip, turned round by the module; drawn in both directions."""
    recorder, module = scene.recorder, scene.module
    recorder.progress(0, 3, "Measuring motion")
    clip = clips.prepared(scene.frames, SHORT, MULTIPLE)
    pixels = clip.pixels[None].to(scene.device)                  # (1, 3, T, H, W)
    flow = module.lucas_kanade(pixels)                           # (1, 2, T - 1, H, W)
    error = (module.lucas_kanade(pixels.flip(2)) + flow.flip(2)).abs().max()
    whole = speed(flow).mean()
    if scene.options["camera"]:
        flow = module.stabilize(flow, module.black_borders(pixels))
    if scene.options["mirror"]:
        flow, pixels = module.flip_flow(flow), pixels.flip(-1)
    labels = torch.tensor([1, 0], device=flow.device)            # forwards, backwards
    both = module.make_aot_batch(flow.expand(2, -1, -1, -1, -1), labels, flow=True)
    order = module.make_aot_batch(pixels.expand(2, -1, -1, -1, -1), labels)
    draw(scene, order.cpu(), both.cpu(), clip.note)
    recorder.progress(2, 3, "Asking")
    loss = asked(scene, labels)
    recorder.arrays(
        "flow", "Motion forwards (2, T - 1, H, W) in pixels per frame, x first.",
        forwards=both[0].half().cpu().numpy(),
    )
    recorder.progress(3, 3, "Done")
    return {
        "frames": clip.length, "panned": "yes" if clip.panned else "no",
        "mean_speed_px": round(float(whole), 3),
        "mean_speed_shown_px": round(float(speed(flow).mean()), 3),
        "largest_error_of_reversal": float(error), "loss_of_no_idea": loss,
    }


def speed(flow: Tensor) -> Tensor:
    """(B, 2, T, H, W) to pixels per frame, (B, T, H, W)."""
    return torch.hypot(flow[:, 0], flow[:, 1])


def draw(scene: Scene, order: Tensor, both: Tensor, note: str) -> None:
    """Frames and flow in both directions, then each direction's colours explained."""
    fastest = max(0.5, float(np.quantile(speed(both[:1]), 0.99)))
    moments = evenly(range(both.shape[2]), COLUMNS)
    cells, words = [], []
    for frames, flow, name in zip(order, both, ("forwards", "backwards"), strict=True):
        chosen = clips.to_images(frames[:, moments])
        cells += chosen + [flows.coloured(flow[:, t].numpy(), fastest) for t in moments]
        words += [f"{name} {n}" for n in range(1, len(moments) + 1)]
        words += [f"motion {n}" for n in range(1, len(moments) + 1)]
    whole = scene.recorder.picture(
        "arrow", pictures.sheet(cells, words, len(moments), CELL), caption(scene, note),
        "Four rows: frames of the clip forwards, their motion as colours, the frames "
        "backwards, and their motion in the opposite colours.",
    )
    scene.recorder.progress(1, 3, "Drawing", artifact=whole)
    scene.recorder.picture(
        "wheel", flows.wheel(260, fastest),
        f"What the colours mean. {flows.LEGEND} The rim is {fastest:.1f} pixels per "
        "frame or more, of frames "
        f"{both.shape[4]} pixels wide.",
        "A wheel of colours, one for each direction of motion.",
    )


def caption(scene: Scene, note: str) -> str:
    """What is seen, what was done, and what not to conclude."""
    camera = (
        " The motion that all pixels share was taken away." if scene.options["camera"]
        else " Camera motion is still in it."
    )
    mirror = " Mirrored." if scene.options["mirror"] else ""
    return (
        "The clip forwards and backwards: frames, and under each its motion to the "
        "next one. Backwards, the order is turned round and every motion points the "
        "other way, so its colour is the opposite one. The network gets the motion "
        f"alone and must say which of the two is forwards.{camera}{mirror} {note} "
        "Which is right is not shown by colours: a trained network knows it from how "
        "things fall, spread and are moved by hands. No network was asked here."
    )


def asked(scene: Scene, labels: Tensor) -> float:
    """What three answers cost in each direction, as a table; returns no idea's."""
    rows, found = [], {}
    for words, logit in GUESSES.items():
        answer = torch.full((1,), logit, device=labels.device)
        losses = [float(scene.module.aot_loss(answer, one[None])) for one in labels]
        sure = 1 / (1 + math.exp(-logit))
        shown = (f"{sure:.0%}", *(f"{loss:.3f}" for loss in losses))
        rows.append([words, *shown])
        found[words] = losses[0]
    scene.recorder.table(
        "asked",
        "What the loss asks for: \"forwards, yes?\", answered with a probability. The "
        "loss is small for the right answer, log 2 for no idea, large for a wrong one.",
        ["answer", "probability of forwards", "loss if it ran forwards",
         "loss if it ran backwards"], rows,
    )
    return round(found["no idea"], 4)
