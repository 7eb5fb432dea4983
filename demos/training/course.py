"""A training under way: one recipe, a budget, and a file to go on from.

Every step draws from seeds of its own, made of the run's seed, the step and the
process. So a training that was killed ends as if it had not been, and nothing random
has to be stored.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from demos.training.crew import Crew
from demos.training.precision import half_precision

WARM_UP = 0.05          # share of the budget
CLIP = 3.0              # norm of the gradient
POINTS = 50             # of the loss curve
SAVE_EVERY = 20.0       # seconds: what a kill can cost
SCHEDULE = 10_000       # into how many parts a module's own schedules see the budget


class Lesson(Protocol):
    """What is learnt, and from what."""

    images: Tensor          # (N, 3, H, W) uint8, or rows of another unit
    lr: float
    weight_decay: float
    batch: int
    unit: str               # what a row of `images` is, as the card says it

    @property
    def learner(self) -> nn.Module: ...  # (views, step, steps) to the loss

    def views(self, index: Tensor, generator: torch.Generator) -> Any: ...

    def after_step(self, step: int, steps: int) -> None: ...

    def shipped(self) -> tuple[dict[str, Tensor], dict[str, Any]]: ...


@dataclass
class Course:
    """How far a training is. minutes: of one core, or of one GPU, over all processes.

    names: what may not change between a start and going on, by what it is called.
    """

    lesson: Lesson
    minutes: float
    seed: int
    file: Path
    crew: Crew
    names: dict[str, Any]
    seconds: float = 0.0
    steps: int = 0
    curve: list[tuple[float, float]] = field(default_factory=list)
    lately: list[float] = field(default_factory=list)  # losses since the last point

    def __post_init__(self) -> None:
        lesson, device = self.lesson, self.crew.device
        lesson.learner.to(device).train()
        lesson.images = lesson.images.to(device)
        decayed = [p for p in self.trained() if p.ndim > 1]
        plain = [p for p in self.trained() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": lesson.weight_decay},
             {"params": plain, "weight_decay": 0.0}],
            lr=lesson.lr, betas=(0.9, 0.95), fused=True,
        )
        self.generator = torch.Generator(device)
        if self.file.exists():
            self.resume()
        self.learner = self.crew.joined(lesson.learner)

    def trained(self) -> Iterator[nn.Parameter]:
        return (p for p in self.lesson.learner.parameters() if p.requires_grad)

    @property
    def done(self) -> float:
        """Share of the budget spent, 0 to 1."""
        return min(self.seconds / (60 * self.minutes), 1.0)

    @property
    def images_seen(self) -> int:
        return self.steps * (self.lesson.batch // self.crew.size) * self.crew.size

    def learning_rate(self) -> float:
        """A linear warm-up, then half a cosine to zero."""
        warm = min(self.done / WARM_UP, 1.0)
        cosine = (1 + math.cos(math.pi * self.done)) / 2
        return self.lesson.lr * max(warm, 0.01) * cosine

    def clock(self) -> float:
        """Seconds of this process's own work, whatever else the machine does."""
        cpu = self.crew.device.type == "cpu"
        return time.process_time() if cpu else time.perf_counter()

    def step(self) -> float:
        """One update of the weights; returns the loss, the mean over the crew."""
        started = self.clock()
        self.sow()
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        images, place = self.lesson.images, int(self.done * SCHEDULE)
        index = torch.randint(
            len(images), (self.lesson.batch // self.crew.size,),
            generator=self.generator, device=self.crew.device,
        )
        views = self.lesson.views(index, self.generator)
        with half_precision(self.crew.device):
            loss = self.learner(views, place, SCHEDULE)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.trained(), CLIP)
        self.optimiser.step()
        self.lesson.after_step(place, SCHEDULE)
        value = loss.item()  # waits for a GPU, so that the clock is right
        spent, summed = self.crew.total(self.clock() - started, value)
        self.seconds += spent
        self.steps += 1
        self.note(summed / self.crew.size)
        return summed / self.crew.size

    def sow(self) -> None:
        """The seeds of this step and process."""
        own = hash((self.seed, self.steps, self.crew.rank)) % 2**62
        torch.manual_seed(own)
        self.generator.manual_seed(own + 1)

    def note(self, loss: float) -> None:
        """A point of the curve is the mean of the losses since the one before."""
        if not math.isfinite(loss):
            raise SystemExit(
                f"the loss became {loss} at step {self.steps}; begin anew under "
                "another name with a smaller --lr"
            )
        self.lately.append(loss)
        if int(self.done * POINTS) > len(self.curve):
            self.curve.append((round(self.done, 3), statistics.fmean(self.lately)))
            self.lately = []

    def save(self) -> None:
        """State for going on; renamed into place, so that a kill cannot hurt."""
        if not self.crew.leads:
            return
        fresh = self.file.with_suffix(".new")
        torch.save({
            "learner": self.lesson.learner.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "seconds": self.seconds, "steps": self.steps, "curve": self.curve,
            "lately": self.lately, "names": self.names,
        }, fresh)
        fresh.replace(self.file)

    def resume(self) -> None:
        """Raises SystemExit where the file is of another training."""
        state = torch.load(
            self.file, weights_only=True, map_location=self.crew.device
        )
        if state["names"] != self.names:
            raise SystemExit(
                f"{self.file} holds a training of {state['names']}, not of "
                f"{self.names}: choose another --out, or delete the file"
            )
        self.lesson.learner.load_state_dict(state["learner"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.seconds, self.steps = state["seconds"], state["steps"]
        self.curve, self.lately = state["curve"], state["lately"]

    def run(self) -> None:
        """To the end of the budget, with a bar and a state saved now and then."""
        saved = time.monotonic()
        hidden = not self.crew.leads
        with tqdm(total=100, unit="%", disable=hidden) as bar:
            while self.done < 1:
                loss = self.step()
                rate = self.images_seen / self.seconds if self.seconds else 0
                bar.set_postfix(
                    step=self.steps, loss=f"{loss:.4f}", images_s=f"{rate:.0f}",
                    refresh=False,
                )
                bar.update(int(100 * self.done) - bar.n)
                if time.monotonic() - saved > SAVE_EVERY:
                    self.save()
                    saved = time.monotonic()
        self.save()
