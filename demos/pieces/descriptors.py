"""Pictures on their way to descriptors of overlapping patches, one or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from demos.intake import images
from demos.listening import listening
from demos.pieces.tokens import layer_index
from demos.scene import Scene

MAX_GRID = 40   # patches a side: what is compared pair by pair then fits in memory
MAX_SIDE = 224  # pixels, unless the model was trained on more


@dataclass(frozen=True)
class View:
    """A picture as the network reads it, patches `step` pixels apart."""

    fitted: images.Fitted
    patch: int
    step: int

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        w, h = ((n - self.patch) // self.step for n in self.fitted.image.size)
        return 1 + h, 1 + w

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Values of patches (rows, columns, …) on the pixels, each about its middle.

        Pixels beyond the outer patches' share get the nearest one's value.
        """
        wide = values.repeat(self.step, 0).repeat(self.step, 1)
        edge = (self.patch - self.step) // 2
        rest = [(0, 0)] * (values.ndim - 2)
        h, w = wide.shape[:2]
        height, width = self.fitted.image.height, self.fitted.image.width
        around = [(edge, height - h - edge), (edge, width - w - edge)]
        return np.pad(wide, around + rest, mode="edge")


def view_all(scene: Scene, square: bool = False) -> list[View]:
    """All pictures, read at twice the size of the training where the grid allows it.

    square: the middle square of each, so that all have the same grid.
    """
    patch = scene.loaded.patch_size
    step = patch if scene.options["stride"] == "patch" else max(1, patch // 2)
    trained = scene.loaded.image_side
    wanted = max(trained, min(MAX_SIDE, 2 * trained))
    side = min(wanted, (MAX_GRID - 1) * step + patch) // patch * patch
    fitted = [
        images.square(one, side) if square else images.fit(one, side, patch)
        for one in scene.pictures
    ]
    return [View(one, patch, step) for one in fitted]


def layer_of(scene: Scene) -> int:
    """The chosen layer, counted from 0. Raises OptionError."""
    return layer_index(int(scene.options["layer"]), scene.loaded.depth)


def pixels_of(scene: Scene, view: View) -> Tensor:
    """The picture as the model takes it, (1, 3, H, W)."""
    array = torch.from_numpy(images.to_array(view.fitted.image))[None]
    return scene.loaded.normalise(array.to(scene.device))


def describe(scene: Scene, view: View, layer: int, facet: str, bins: bool) -> Tensor:
    """The paper's descriptor of each patch, (N, D)."""
    model = scene.loaded.model
    with listening(model, scene.recorder.alive):
        found = scene.module.dense_descriptors(
            model, pixels_of(scene, view), layer, facet, bins, view.step
        )                                                        # (1, 1, N, D)
    return found[0, 0].float().cpu()


def class_attention(scene: Scene, view: View, layer: int) -> Tensor:
    """What each head's class token gives to every token, (1, H, 1, T)."""
    model = scene.loaded.model
    with listening(model, scene.recorder.alive):
        weights = scene.module.attention_of(
            model, pixels_of(scene, view), layer, view.step
        )                                                        # (1, H, T, T)
    return weights[:, :, :1].float().cpu()


def counted(views: Sequence[View]) -> str:
    """How many patches there are, in words."""
    return " and ".join(f"{rows} × {columns}" for rows, columns in
                        (view.grid for view in views)) + " patches"


def notes(views: Sequence[View]) -> str:
    """What was done to each picture, as sentences."""
    if len(views) == 1:
        return views[0].fitted.note
    said = (f"Picture {n}: {v.fitted.note}" for n, v in enumerate(views, 1))
    return " ".join(said)
