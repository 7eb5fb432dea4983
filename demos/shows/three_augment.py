"""3-Augment demo: one crop in the three ways of which each picture gets one."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from demos.drawing import boards
from demos.pieces.seeing import SIDE
from demos.results import Recorder
from demos.scene import Numbers, Scene

DRAWS = 6


def show(scene: Scene) -> Numbers:
    """The three on one crop, then what the paper's function draws."""
    recorder, module, options = scene.recorder, scene.module, scene.options
    recorder.progress(0, 2, "Three ways")
    img = torch.from_numpy(np.array(scene.picture))                    # (H, W, 3)
    luck, sigma = Generator().manual_seed(int(options["seed"])), float(options["sigma"])
    crop = module.random_resized_crop(img, SIDE, luck)
    three = {
        "crop": crop,
        "grey": module.gray(crop),
        "solarised": module.solarize(crop),
        "blurred": module.gaussian_blur(crop, sigma),
    }
    draw_three(recorder, three, sigma)
    recorder.progress(1, 2, "Drawing some")
    jitter = float(options["jitter"])
    drawn = [module.three_augment(img, SIDE, luck, jitter=jitter) for _ in range(DRAWS)]
    draw_drawn(recorder, drawn, jitter)
    recorder.arrays(
        "three", "The crop and its three changes, and the draws, (S, S, 3) uint8.",
        **{name: one.numpy() for name, one in three.items()},
        drawn=torch.stack(drawn).numpy(),
    )
    bright = (crop >= 128).float().mean().item()
    return {"inverted_share": round(bright, 3), "draws": DRAWS}


def draw_three(recorder: Recorder, three: dict[str, Tensor], sigma: float) -> None:
    """Four tiles."""
    recorder.picture(
        "three", boards.board(tiles(list(three.values())), list(three), 2),
        "After crop and flip each picture gets exactly one of three, each as likely. "
        "Grey takes colour away, solarising (what is bright is inverted) makes it "
        f"unreliable, blur (here {sigma:g} pixels of {SIDE}) takes fine texture. What "
        "all three leave is shape.",
        f"One crop four times: {', '.join(three)}.",
    )


def draw_drawn(recorder: Recorder, drawn: list[Tensor], jitter: float) -> None:
    """What comes out, draw by draw."""
    labels = [f"draw {i + 1}" for i in range(DRAWS)]
    recorder.picture(
        "drawn", boards.board(tiles(drawn), labels, 3),
        f"{DRAWS} draws of the whole: crop, flip, one of the three, and last "
        f"brightness, contrast and saturation moved by at most {100 * jitter:.0f} %. "
        "The network sees another one in every epoch, always with the same label.",
        f"{DRAWS} square views, each cut and changed in another way.",
    )


def tiles(views: list[Tensor]) -> list[Image.Image]:
    """(S, S, 3) uint8 as pictures."""
    return [Image.fromarray(view.numpy()) for view in views]
