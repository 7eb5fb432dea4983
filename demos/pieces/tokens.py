"""A picture's way into a transformer, and its tokens from layer to layer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from demos.intake import images
from demos.listening import listening
from demos.scene import Scene
from demos.specs import OptionError
from demos.weights import Loaded

MAX_GRID = 40  # patches a side: one layer's weights then fit in 150 megabytes


def fit(picture: Image.Image, loaded: Loaded, size: str) -> images.Fitted:
    """The picture at the size asked for; `auto` is twice the training's, up to 224."""
    patch = loaded.patch_size
    auto = max(loaded.image_side, min(224, 2 * loaded.image_side))
    side = auto if size == "auto" else int(size)
    return images.fit(picture, min(side, MAX_GRID * patch), patch)


def layer_index(wanted: int, layers: int) -> int:
    """Counted from the front, 0 the first. Raises OptionError beyond the last."""
    if not -layers <= wanted < layers:
        raise OptionError(
            "layer",
            f"this model has {layers} layers: choose 0 to {layers - 1}, or -1 to "
            f"-{layers} from the end",
        )
    return wanted % layers


def pixels(scene: Scene, fitted: images.Fitted) -> Tensor:
    """The fitted picture as the model takes it: (1, 3, H, W)."""
    array = torch.from_numpy(images.to_array(fitted.image))[None]
    return scene.loaded.normalise(array.to(scene.device))


def read_tokens(scene: Scene, fitted: images.Fitted) -> dict[str, np.ndarray]:
    """A stage: `tokens` (L + 1, T, D), what each layer is given and the last makes."""
    scene.recorder.progress(0, 1, "The model reads the picture")
    model = scene.loaded.model
    with listening(model, scene.recorder.alive):
        tokens = [model.embed(pixels(scene, fitted))]
        for block in model.blocks:
            tokens.append(block(tokens[-1]))
    return {"tokens": torch.cat(tokens).float().cpu().numpy()}


def weights_from(model: nn.Module, tokens: np.ndarray) -> Iterator[Tensor]:
    """Each layer's weights (h, T, T), from what it is given: `tokens` of the stage.

    For other rows than were looked at before, without the model's whole way again.
    """
    blocks: nn.ModuleList = model.blocks  # type: ignore[assignment]
    for block, given in zip(blocks, tokens[:-1], strict=True):
        x = torch.from_numpy(given)[None].to(next(block.parameters()))
        _, weights = block.attn(block.norm1(x), need_weights=True)
        yield weights[0].float().cpu()
