"""Pretraining demo: a tiny transformer learns from crops of one picture, live.

Nothing here knows a method: views, loss and moving averages are the paper's module's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import signature
from types import ModuleType

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from demos.drawing import curves, pictures
from demos.intake import images
from demos.listening import listening
from demos.pieces.features import PCA_RULE, feature_colours, painted
from demos.pieces.miniature import CROPS, PATIENCE, random_crops, scheduled
from demos.results import Artifact, Recorder
from demos.scene import Card, Numbers, Scene
from demos.training.precision import half_precision

LOOK_SIDE, LOOK_MULTIPLE = 160, 16  # the picture whose features are shown
LOOKS = 5                  # partial pictures during training

WEIGHTS = Card(
    "trained in this run", "from random weights", True,
    "It has seen nothing but this picture, so it knows nothing else.",
)


@dataclass
class Training:
    """A training run under way."""

    module: ModuleType
    model: nn.Module
    optimiser: torch.optim.Optimizer
    crops: Tensor              # (CROPS, 3, S, S) in [0, 1]
    generator: torch.Generator
    options: Mapping
    series: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    ended: str = ""            # why it stopped early

    def step(self, step: int) -> dict[str, float]:
        """One update of the weights; returns what the method watches."""
        steps, batch = int(self.options["steps"]), int(self.options["batch"])
        lr = scheduled(float(self.options["lr"]), step, steps)
        self.optimiser.param_groups[0]["lr"] = lr
        device = self.crops.device
        chosen = torch.randint(CROPS, (batch,), generator=self.generator, device=device)
        views = self.views(chosen)
        with half_precision(device):
            loss, watched = self.module.training_step(self.model, views, step, steps)
        if not loss.isfinite():
            return {"loss": math.nan}
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 3.0)
        self.optimiser.step()
        if hasattr(self.module, "after_step"):
            self.module.after_step(self.model, step, steps)
        return {"loss": loss.item(), **watched}

    def views(self, chosen: Tensor) -> object:
        """Views of some crops; a method with a memory is told which they are."""
        method, crops = self.module.views, self.crops[chosen]
        if "index" in signature(method).parameters:
            return method(crops, self.generator, chosen)
        return method(crops, self.generator)

    def colours(self, image: Image.Image) -> np.ndarray:
        """The features of a picture as they are now, (rows, columns, 3)."""
        return feature_colours(self.module, self.model, image, self.crops.device)


def show(scene: Scene) -> Numbers:
    """Train on crops of the picture; its features before and after go on record."""
    started, options, recorder = time.monotonic(), scene.options, scene.recorder
    fitted = images.fit(scene.picture, LOOK_SIDE, LOOK_MULTIPLE)
    with torch.random.fork_rng():
        torch.manual_seed(int(options["seed"]))
        training = prepare(scene.module, scene.picture, options, scene.device)
        before = training.colours(fitted.image)
        with listening(training.model, recorder.alive):
            done = train(training, fitted, recorder, started, scene.spec.seconds)
        after = training.colours(fitted.image)
    draw(training, fitted, (before, after), done, recorder)
    return measure(training, done, time.monotonic() - started)


# Training


def prepare(
    module: ModuleType, picture: Image.Image, options: Mapping, device: torch.device
) -> Training:
    """Model, optimiser and data set, all drawn from the seed."""
    seed = int(options["seed"])
    model = module.build(module.TINY).to(device).train()
    learnt = [p for p in model.parameters() if p.requires_grad]
    return Training(
        module=module,
        model=model,
        optimiser=torch.optim.AdamW(learnt, betas=(0.9, 0.95), weight_decay=0.05),
        crops=random_crops(picture, CROPS, module.TINY.img_size, seed).to(device),
        generator=torch.Generator(device).manual_seed(seed),
        options=options,
    )


def train(
    training: Training,
    fitted: images.Fitted,
    recorder: Recorder,
    started: float,
    seconds: int,
) -> int:
    """To the end, the time limit or a broken loss; returns the steps done."""
    steps = int(training.options["steps"])
    limit = started + PATIENCE * seconds
    look_every = max(1, steps // LOOKS)
    recorder.progress(0, steps, "The first step")
    for step in range(steps):
        watched = training.step(step)
        if not math.isfinite(watched["loss"]):
            training.ended = "the loss became infinite: choose a smaller learning rate"
            return step
        for name, value in watched.items():
            training.series.setdefault(name, []).append((step, value))
        artifact = None
        if (step + 1) % look_every == 0 and step + 1 < steps:
            artifact = draw_look(training, fitted, step + 1, recorder)
        new = {name: [(step, value)] for name, value in watched.items()}
        message = f"Step {step + 1} of {steps}: loss {watched['loss']:.3f}"
        recorder.progress(step + 1, steps, message, new, artifact)
        if time.monotonic() > limit and step + 1 < steps:
            training.ended = f"the time limit of {seconds} s was near"
            return step + 1
    return steps


# Looking


def draw_look(
    training: Training, fitted: images.Fitted, step: int, recorder: Recorder
) -> Artifact:
    """The features in the middle of training, as a partial picture."""
    colours = painted(training.colours(fitted.image), fitted)
    caption = f"Patch features after {step} steps. {PCA_RULE}"
    alt = f"Patch features as colours after {step} steps."
    return recorder.picture(f"features_{step:04}", colours, caption, alt, partial=True)


def draw(
    training: Training,
    fitted: images.Fitted,
    colours: tuple[np.ndarray, np.ndarray],
    done: int,
    recorder: Recorder,
) -> None:
    """Before and after beside the picture, then the curves, then the numbers."""
    before, after = (painted(c, fitted) for c in colours)
    columns = 1 if fitted.display.width > 3 * fitted.display.height else 3
    early = f" Training stopped early: {training.ended}." if training.ended else ""
    recorder.picture(
        "features",
        pictures.sheet(
            [fitted.display, before, after],
            ["picture", "before: UNTRAINED", f"after {done} steps"], columns, cell=400,
        ),
        f"Patch features before training (random weights) and after {done} steps on "
        f"{CROPS} crops of this picture alone. {PCA_RULE}{early}",
        f"Three pictures: the submitted one, its patch features as colours before "
        f"training, and after {done} steps.",
    )
    recorder.picture(
        "curves", curves.curves(training.series),
        f"What the method watches, step by step: {', '.join(training.series)}.{early}",
        described(training.series),
    )
    recorder.arrays(
        "training", "Curves as (step, value) rows, and the feature colours.",
        before=colours[0], after=colours[1],
        **{f"curve_{n}": np.array(points) for n, points in training.series.items()},
    )


def described(series: Mapping[str, list[tuple[int, float]]]) -> str:
    """Each curve's first and last value in words."""
    ends = (f"{n} from {p[0][1]:.3g} to {p[-1][1]:.3g}" for n, p in series.items() if p)
    return f"Curves: {'; '.join(ends)}."


def measure(training: Training, done: int, seconds: float) -> Numbers:
    """Steps, speed, and the loss as the mean of its first and last five values."""
    losses = [value for _, value in training.series.get("loss", [])]
    batch = int(training.options["batch"])
    return {
        "steps": done,
        "loss_first": round(float(np.mean(losses[:5])), 4) if losses else "none",
        "loss_last": round(float(np.mean(losses[-5:])), 4) if losses else "none",
        "images_per_second": round(done * batch / seconds, 1),
        "parameters": sum(p.numel() for p in training.model.parameters()),
        "stopped_early": training.ended or "no",
    }
