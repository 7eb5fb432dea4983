"""Pictures as single vectors: one per picture, comparable by their angles.

A network's vectors all point roughly one way (cosines above 0.9 between any two), so
what the gallery has in common is taken off before angles are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from demos import fingerprint, weights
from demos.intake import images
from demos.pieces import pets
from demos.scene import Scene
from demos.weights import Loaded
from reference_impls.simclr import MEAN, STD

CHUNK = 8          # pictures at once, so that a cancelled run ends soon
PIXEL_SIDE = 16    # of the thumbnail that stands for plain pixels
PIXELS = "plain pixels"
CENTRED = "Angles are taken from the mean of the gallery."

Encoder = Callable[[Tensor], Tensor]  # (B, 3, S, S) in [0, 1] to (B, D)


def tensors(squares: Sequence[Image.Image]) -> Tensor:
    """Square pictures of one size as (N, 3, S, S) in [0, 1]."""
    return torch.from_numpy(np.stack([images.to_array(one) for one in squares]))


def class_token(model: nn.Module, x: Tensor) -> Tensor:
    """A transformer's answer to whole pictures: (B, 3, S, S), normalised, to (B, D).

    The class token after the last norm; the mean of the patches where there is none.
    """
    tokens = model.embed(x)
    for block in model.blocks:
        tokens = block(tokens)
    tokens = model.norm(tokens)                                  # (B, T, D)
    return tokens[:, 0] if model.num_prefix else tokens.mean(1)  # (B, D)


def encoder(loaded: Loaded, device: torch.device, grid: int = 0) -> Encoder:
    """Pictures of any side to the trained model's vectors.

    grid: patches a side to look at; as many as at training if 0.
    """
    model, side = loaded.model.to(device), grid * loaded.patch_size or loaded.image_side

    def encode(x: Tensor) -> Tensor:
        x = loaded.normalise(resized(x, side).to(device))
        return class_token(model, x).float().cpu()

    return encode


def encoders(scene: Scene) -> dict[str, Encoder]:
    """Ways to compare, by name: the run's own weights, other bundled ones, and pixels.

    Beside untrained weights only pixels: the stamp on the picture is then true of all.
    """
    own = [scene.loaded]
    if scene.loaded.card.trained:
        bundled = weights.bundled_encoders()
        own += [one for one in bundled if one.card.name != own[0].card.name]
    found = {one.card.name: encoder(one, scene.device) for one in own}
    return {**found, PIXELS: pixels}


def pixels(x: Tensor) -> Tensor:
    """A thumbnail's own colours, (B, 3, S, S) to (B, 768): what needs no network."""
    return resized(x, PIXEL_SIDE).flatten(1)


def resized(x: Tensor, side: int) -> Tensor:
    """(B, 3, S, S) to (B, 3, side, side), smoothly."""
    if x.shape[-1] == side:
        return x
    shape = (side, side)
    return F.interpolate(x, shape, mode="bicubic", antialias=True).clamp(0, 1)


@torch.no_grad()
def embedded(x: Tensor, encode: Encoder, scene: Scene) -> Tensor:
    """(N, 3, S, S) to (N, D) in small portions, cancellable between them."""
    found = []
    for part in x.split(CHUNK):
        found.append(encode(part))
        scene.recorder.alive()
    return torch.cat(found)                                      # (N, D)


def gallery(scene: Scene, name: str, encode: Encoder) -> Tensor:
    """The gallery's vectors, (96, D), computed once for all submitted pictures.

    name: of the weights, or of what does without.
    """
    code = fingerprint.code_version(scene.paper, scene.spec.name)
    weights = fingerprint.weights_hash(scene.paper)
    question = ["pets", scene.paper, name, code, weights]

    def work() -> dict[str, np.ndarray]:
        found = embedded(tensors(pets.pictures()), encode, scene)
        return {"vectors": found.numpy()}

    return torch.from_numpy(scene.stages.recall(question, work)["vectors"])


def directions(vectors: Tensor, centre: Tensor) -> Tensor:
    """Unit vectors as seen from the mean of the gallery's. (N, D), (96, D)."""
    return F.normalize(vectors - centre.mean(0), dim=1)          # (N, D)


def as_pixels(views: Tensor) -> Tensor:
    """A paper's views, normalised for its own encoder, back in [0, 1]."""
    mean, std = (views.new_tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    return (views * std + mean).clamp(0, 1)


def thumbnails(views: Tensor) -> list[Image.Image]:
    """(N, 3, S, S) in [0, 1] as pictures."""
    return [images.from_array(one.cpu().numpy()) for one in views]
