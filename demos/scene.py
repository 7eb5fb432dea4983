"""Everything that a demo gets to work with.

A demo is a module `demos/shows/<name>.py` with one function:

    def show(scene: Scene) -> Numbers:

It draws through `scene.recorder`, keeps what is expensive through `scene.stage`, and
returns its numbers. One that loads no trained weights may say on what it runs by a
`WEIGHTS: Card` of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch
from PIL import Image

from demos.results import Numbers, Recorder
from demos.specs import Demo
from demos.stages import Stages
from demos.weights import Card, Loaded

__all__ = ["NO_WEIGHTS", "Card", "Numbers", "Scene"]

NO_WEIGHTS = Card(
    "no weights", "nothing learnt is needed", True,
    "This demo shows a computation; no trained model takes part.",
)


@dataclass(frozen=True)
class Scene:
    """One run, prepared. Pictures are RGB and upright."""

    spec: Demo
    paper: str
    module: ModuleType             # the paper's
    weights: Loaded | None         # on the device, where the spec names a model
    pictures: Sequence[Image.Image]
    options: Mapping[str, int | float | str | bool]  # checked, all of them
    recorder: Recorder
    stages: Stages
    device: torch.device
    key: str                       # of everything but the options
    frames: Sequence[Image.Image]  # of the first picture: several where it moves

    @property
    def picture(self) -> Image.Image:
        """The first picture, of demos that take at least one."""
        return self.pictures[0]

    @property
    def loaded(self) -> Loaded:
        """The trained weights, of demos whose spec names a model."""
        assert self.weights is not None, f"{self.spec.name} names no model"
        return self.weights

    def stage(
        self, name: str, work: Callable[[], dict[str, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        """What `work` gives, or gave when all options but the late ones were the same.

        name: of the stage; a demo may have several. `work` must depend on the scene
        alone and not on late options.
        """
        early = {
            o.name: self.options[o.name] for o in self.spec.options if not o.late
        }
        return self.stages.recall([self.key, name, early], work)
