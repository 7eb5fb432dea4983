"""The collapse lab: a method as the paper has it, beside itself with parts taken away.

Both learn from the same random views of the gallery's pets, step by step, and are
measured on all of them: how far apart the answers are, and in how many directions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from demos.listening import listening
from demos.pieces import collapse_pictures, embedding, pets
from demos.scene import Card, Numbers, Scene
from demos.specs import Demo
from demos.training.figures import rank
from reference_impls.byol import ema_update, feature_spread
from reference_impls.simclr import normalize

SIDE, BATCH = 32, 24   # pixels of a pet, pets in a step
SMALL = {"img_size": SIDE, "patch_size": 8, "width": 64, "depth": 3, "heads": 2}
DECAY = 0.05           # where it is on
MEASURES = 20          # of each quantity, over a run
PATIENCE = 0.85        # share of the time limit spent on training
COLLAPSED, NARROW = 0.1, 0.3            # of the greatest spread
ON_A_LINE = 0.97                        # mean size of the cosines
CAUTION = (
    "This is a tiny transformer on ninety-six small pictures for a few seconds: what a "
    "part does at full size is in the paper."
)
PAPER = "as in the paper"

SPREAD, RANK, LINE, LOSS = "spread", "rank", "line", "loss"
AXES = {
    SPREAD: "spread of the answers: 0 all one, 1 all over the sphere",
    RANK: "directions that the answers use",
    LOSS: "loss",
}

WEIGHTS = Card(
    "trained in this run", "from random weights", True,
    "A tiny transformer that has seen ninety-six small pets for a few seconds.",
)


@dataclass
class Trial:
    """One way of training under way."""

    model: nn.Module
    optimiser: torch.optim.Optimizer
    # Views, step and steps to the loss and what else is watched.
    loss: Callable[[Sequence[Tensor], int, int], tuple[Tensor, Mapping[str, float]]]
    answers: Callable[[Tensor], Tensor]        # (N, 3, SIDE, SIDE) to (N, D)
    settle: Callable[[int, int], None] = lambda step, steps: None  # after each update
    series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def step(self, views: Sequence[Tensor], step: int, steps: int) -> dict[str, float]:
        """One update of the weights."""
        loss, watched = self.loss(views, step, steps)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.settle(step, steps)
        return {LOSS: loss.item(), **watched}

    @torch.no_grad()
    def directions(self) -> Tensor:
        """The answers to all pets at unit length, (96, D), on the CPU."""
        pixels = normalize(squares()).to(next(self.model.parameters()).device)
        return F.normalize(self.answers(pixels), dim=1).cpu()

    def measure(self, step: int, watched: Mapping[str, float]) -> None:
        """Put the answers to all pets on record, beside what the step has watched."""
        z = self.directions()
        found = {
            SPREAD: feature_spread(z) * z.shape[1] ** 0.5, RANK: rank(z),
            LINE: (z @ z.T).abs().mean().item(),
        }
        for name, value in {**found, **watched}.items():
            self.series.setdefault(name, []).append((step, value))

    def last(self, name: str) -> float:
        """What a quantity was at the end."""
        return self.series[name][-1][1]


@dataclass(frozen=True)
class Lab:
    """What a method brings: its trial for given options, its views, its own words."""

    make: Callable[[Mapping], Trial]
    views: Callable[[Tensor, Generator], Sequence[Tensor]]
    verdict: Callable[[Trial], str]
    axes: Mapping[str, str]    # of what is drawn, the first in front


@cache
def squares() -> Tensor:
    """All pets, (96, 3, SIDE, SIDE) in [0, 1]."""
    return embedding.tensors([one.resize((SIDE, SIDE)) for one in pets.pictures()])


def run(scene: Scene, lab: Lab) -> Numbers:
    """Train both ways, draw the curves and who resembles whom, and say how it ended."""
    options, started = dict(scene.options), time.monotonic()
    ways = {PAPER: {**options, **whole(scene.spec)}}
    if options != ways[PAPER]:
        ways[changed(scene.spec, options)] = options
    with torch.random.fork_rng(devices=[]):
        trials = {name: seeded(lab, way) for name, way in ways.items()}
        for trial in trials.values():
            trial.model.to(scene.device)
        limit = started + PATIENCE * scene.spec.seconds
        done = train(scene, lab, trials, limit)
    ended = "" if done == options["steps"] else f" The time limit came at step {done}."
    collapse_pictures.draw(scene, lab, trials, CAUTION + ended)
    return numbers(trials, done)


def whole(spec: Demo) -> dict[str, bool | str]:
    """Every switch as the paper has it: on, or the first choice."""
    return {
        one.name: True if one.kind == "bool" else one.choices[0]
        for one in spec.options if one.kind in ("bool", "choice")
    }


def changed(spec: Demo, options: Mapping) -> str:
    """What differs from the paper, in words."""
    usual = whole(spec)
    switches = [one for one in spec.options if one.name in usual]
    other = [one for one in switches if options[one.name] != usual[one.name]]
    off = ", ".join(one.label.lower() for one in other if one.kind == "bool")
    said = [f"without {off}"] if off else []
    chosen = (one for one in other if one.kind == "choice")
    said += [f"{one.label.lower()} {options[one.name]}" for one in chosen]
    return "; ".join(said)


def seeded(lab: Lab, way: Mapping) -> Trial:
    """A trial whose first weights depend on the seed alone."""
    torch.manual_seed(int(way["seed"]))
    return lab.make(way)


def optimiser(model: nn.Module, lr: float, way: Mapping) -> torch.optim.Optimizer:
    """AdamW over what learns."""
    learnt = [p for p in model.parameters() if p.requires_grad]
    decay = DECAY if way["weight_decay"] else 0.0
    return torch.optim.AdamW(learnt, lr=lr, weight_decay=decay)


def without_batch_norm(model: nn.Module) -> None:
    """Take every batch norm out, in place."""
    for name, part in model.named_children():
        if isinstance(part, nn.BatchNorm1d):
            setattr(model, name, nn.Identity())
        else:
            without_batch_norm(part)


def follow(target: nn.Module, online: nn.Module, how: str, tau: float) -> None:
    """Move the target as the switch says. tau: of the moving average."""
    if how != "frozen":
        ema_update(target, online, tau if how == "an average" else 0.0)


# Training


def train(scene: Scene, lab: Lab, trials: Mapping[str, Trial], limit: float) -> int:
    """All trials on the same views, to the end or the limit; the steps done."""
    steps, seed = int(scene.options["steps"]), int(scene.options["seed"])
    generator = torch.Generator().manual_seed(seed)
    every = max(1, steps // MEASURES)
    scene.recorder.progress(0, steps, "The first step")
    for step in range(steps):
        chosen = torch.randint(len(squares()), (BATCH,), generator=generator)
        views = lab.views(squares()[chosen].to(scene.device), generator)
        late = time.monotonic() > limit
        look = step % every == 0 or step == steps - 1 or late
        for trial in trials.values():
            with listening(trial.model, scene.recorder.alive):
                watched = trial.step(views, step, steps)
                if look:
                    trial.measure(step + 1, watched)
        if look:
            report(scene, lab, trials, step + 1, steps)
        if late:
            return step + 1
    return steps


def report(
    scene: Scene, lab: Lab, trials: Mapping[str, Trial], step: int, steps: int
) -> None:
    """The first quantity and the loss of each trial, live."""
    first = next(iter(lab.axes))
    series = {
        f"{quantity}, {name}": [(step, trial.last(quantity))]
        for quantity in (first, LOSS) for name, trial in trials.items()
    }
    scene.recorder.progress(step, steps, f"Step {step} of {steps}", series)


# How it ended


def by_spread(trial: Trial) -> str:
    """How it ended, in words."""
    spread = trial.last(SPREAD)
    if spread < COLLAPSED:
        return f"collapsed, all pets get nearly one answer (spread {spread:.2f})"
    if trial.last(LINE) > ON_A_LINE:
        return f"all answers lie on one line, at its two ends (spread {spread:.2f})"
    if spread < NARROW:
        return f"the answers have come close to each other (spread {spread:.2f})"
    return f"no collapse in these few steps (spread {spread:.2f})"


def numbers(trials: Mapping[str, Trial], done: int) -> Numbers:
    """How every quantity ended, and the steps."""
    ends = {
        f"{quantity}_{whose}".replace(" ", "_"): round(trial.last(quantity), 4)
        for whose, trial in zip(("paper", "yours"), trials.values(), strict=False)
        for quantity in trial.series
    }
    return {"steps": done, **ends}
