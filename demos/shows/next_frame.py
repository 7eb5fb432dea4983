"""Next frame demo: two small networks learn on one clip to paint what comes next.

Both see the same patches; one is told to be near (l_2), the other to be near and as
sharp (l_1 and the gradient difference). Of the clip's second half the frame that
changes most is asked for; it and what follows is kept from both.
"""

from __future__ import annotations

import time
from types import ModuleType

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from demos.drawing import curves, pictures
from demos.listening import listening
from demos.pieces import clips
from demos.scene import Card, Numbers, Scene

SHORT, MULTIPLE, LEAST = 96, 8, 12
BATCH, LEARNING_RATE = 6, 4e-3
PATIENCE = 0.7          # share of the time limit spent on training
CELL = 380
LOSSES = {"l2": "squared error", "sharp": "error and gradients"}

WEIGHTS = Card(
    "trained in this run", "from random weights", True,
    "It has seen nothing but this clip, so it knows nothing else.",
)


def show(scene: Scene) -> Numbers:
    """Train, or take the predictions from before; measure them and draw."""
    clip = clips.prepared(scene.frames, SHORT, MULTIPLE, LEAST)
    whole = 2 * clip.pixels.to(scene.device) - 1                 # (3, T, H, W)
    at = liveliest(whole)
    pixels = whole[:, : at + 1]
    found = scene.stage("predictions", lambda: trained(scene, pixels))
    truth, last = pixels[None, :, -1], pixels[None, :, -2]       # (1, 3, H, W)
    guesses = {"copy": last} | {
        name: torch.from_numpy(found[f"{name}_scale{finest(scene.module)}"]).to(truth)
        for name in LOSSES
    }
    measured = {n: measures(scene.module, one, truth) for n, one in guesses.items()}
    draw(scene, guesses, truth, measured, f"It is frame {at + 1}. {clip.note}")
    draw_scales(scene, found, truth)
    series = {
        f"{words}: PSNR on patches": list(enumerate(found[f"{name}_psnr"].tolist()))
        for name, words in LOSSES.items()
    }
    ends = "; ".join(
        f"{name} from {points[0][1]:.1f} to {points[-1][1]:.1f}"
        for name, points in series.items()
    )
    scene.recorder.picture(
        "curves", curves.curves(series),
        "How near the networks come to the patches that they learn on, in decibels, "
        f"step by step. {ends}.", f"Two rising curves: {ends}.",
    )
    scene.recorder.arrays("predictions", "Predictions at every scale in [-1, 1], and "
                          "the PSNR of each step.", truth=truth.cpu().numpy(), **found)
    return {
        "steps": len(found["l2_psnr"]), "frame": at + 1,
        **{f"psnr_{name}_db": one[0] for name, one in measured.items()},
        **{f"sharpness_{name}_db": one[1] for name, one in measured.items()},
        "panned": "yes" if clip.panned else "no",
        "stopped_early": said_early(scene, len(found["l2_psnr"])),
    }


def liveliest(pixels: Tensor) -> int:
    """Number of the frame in the second half that differs most from the one before."""
    change = pixels.diff(dim=1).square().mean(dim=(0, 2, 3))     # (T - 1,)
    half = pixels.shape[1] // 2
    return half + int(change[half - 1 :].argmax())


def finest(module: ModuleType) -> int:
    """Number of the tiny network's last scale; the coarsest is 0."""
    return len(module.TINY.maps) - 1


def said_early(scene: Scene, done: int) -> str:
    """Whether the time limit came before the last step."""
    return "no" if done == int(scene.options["steps"]) else "the time limit was near"


def measures(module: ModuleType, guess: Tensor, truth: Tensor) -> tuple[float, float]:
    """PSNR and likeness of sharpness in dB, as in the paper; at most 99."""
    near = float(module.psnr(guess, truth, max=2))
    alike = float(module.sharpness_diff(guess, truth, max=2))
    return round(min(99.0, near), 2), round(min(99.0, alike), 2)


# Training


def trained(scene: Scene, pixels: Tensor) -> dict[str, np.ndarray]:
    """Each network's prediction of the last frame at every scale, and its curve."""
    module, options, recorder = scene.module, scene.options, scene.recorder
    steps, seed = int(options["steps"]), int(options["seed"])
    models, optimisers = {}, {}
    for name in LOSSES:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)                              # alike at the start
            models[name] = module.build(module.TINY).generator.to(pixels.device)
        optimisers[name] = torch.optim.Adam(models[name].parameters(), LEARNING_RATE)
    generator, began = torch.Generator().manual_seed(seed), time.monotonic()
    known = (pixels[None, :, :-1] + 1) / 2                       # (1, 3, T - 1, H, W)
    series: dict[str, list[float]] = {name: [] for name in LOSSES}
    for step in range(steps):
        views = module.clip_views(known.expand(BATCH, -1, -1, -1, -1), generator)
        context, target = module.split(views)
        for name, model in models.items():
            with listening(model, recorder.alive):
                prediction = model(context)
                loss = asked(module, name, prediction, target)
                optimisers[name].zero_grad()
                loss.backward()
            optimisers[name].step()
            near = module.psnr(prediction[-1].detach(), target, max=2)
            series[name].append(float(near))
        new = {LOSSES[name]: [(step, values[-1])] for name, values in series.items()}
        recorder.progress(step + 1, steps, f"Step {step + 1} of {steps}", new)
        if time.monotonic() - began > PATIENCE * scene.spec.seconds:
            break
    context = pixels[None, :, -5:-1].transpose(1, 2).flatten(1, 2)  # (1, 12, H, W)
    found = {f"{name}_psnr": np.array(values) for name, values in series.items()}
    with torch.no_grad():
        for name, model in models.items():
            for k, one in enumerate(model(context)):
                found[f"{name}_scale{k}"] = one.cpu().numpy()
    return found


def asked(
    module: ModuleType, name: str, prediction: list[Tensor], target: Tensor
) -> Tensor:
    """The loss over all scales, per pixel of each."""
    total = target.new_zeros(())
    truths = module.pyramid(target, len(prediction))
    for guess, truth in zip(prediction, truths, strict=True):
        if name == "l2":
            loss = module.lp_loss(guess, truth, 2)
        else:
            loss = module.lp_loss(guess, truth, 1) + module.gdl_loss(guess, truth)
        total = total + loss / truth.numel()
    return total


# Pictures


def shown(frame: Tensor) -> Image.Image:
    """(1, 3, H, W) in [-1, 1] as a picture."""
    return clips.to_images((frame[0, :, None] + 1) / 2)[0]


def draw(
    scene: Scene, guesses: dict[str, Tensor], truth: Tensor,
    measured: dict[str, tuple[float, float]], note: str,
) -> None:
    """Truth, the frame before it, and both predictions."""
    frames = [truth, *guesses.values()]
    names = ["what came", "the frame before", *LOSSES.values()]
    said = ", ".join(
        f"{name} {psnr:.1f} dB near and {sharp:.1f} dB as sharp"
        for name, (psnr, sharp) in zip(names[1:], measured.values(), strict=True)
    )
    best = max(measured, key=lambda name: measured[name][0])
    verdict = (
        "Repeating the frame before is nearer than either network."
        if best == "copy" else "A network is nearer than the frame before."
    )
    scene.recorder.picture(
        "next", pictures.sheet([shown(f) for f in frames], names, 2, CELL),
        "A frame that was kept from the networks, the one before it, and what they "
        "paint from the four before, after some seconds on the clip up to there. "
        "Squared error makes a network hedge its bets, which blurs; asking for equal "
        "gradients keeps edges. "
        f"PSNR and the paper's measure of sharpness: {said}. {verdict} {note} "
        "The paper trains for days, on many clips, with an adversary too.",
        f"Four frames: the true one, the one before, and two predictions. {verdict}",
    )


def draw_scales(scene: Scene, found: dict[str, np.ndarray], truth: Tensor) -> None:
    """Coarse to fine: what the second network paints at each scale, and the truth."""
    scales = finest(scene.module) + 1
    rows = [
        [torch.from_numpy(found[f"sharp_scale{k}"]) for k in range(scales)],
        scene.module.pyramid(truth.cpu(), scales),
    ]
    size = shown(truth).size
    levels = [shown(one) for row in rows for one in row]
    cells = [one.resize(size, Image.Resampling.NEAREST) for one in levels]
    sides = [f"{one.shape[3]} x {one.shape[2]}" for one in rows[0]]
    words = [f"{name}, {side}" for name in ("painted", "true") for side in sides]
    scene.recorder.picture(
        "scales", pictures.sheet(cells, words, scales, CELL // 4 * 3),
        "Coarse to fine: the prediction at the smallest scale, then corrected at each "
        "finer one; below, the true frame at the same scales. Each finer network gets "
        "the coarser guess, enlarged, and paints only what is to be changed.",
        f"The prediction and the truth at {scales} scales: {', '.join(sides)} pixels.",
    )
