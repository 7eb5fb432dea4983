"""Views of a batch, and a small map that a contrastive loss makes of them.

The batch is the submitted picture among others of the gallery.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from demos.intake import images
from demos.listening import listening
from demos.pieces import embedding, pets
from demos.scene import Scene

OTHERS = 5       # pictures of the gallery in the batch
LESSONS = 8      # further pairs of views of each picture, for the map to learn from
STEPS, WIDTH, TRAINED_AT = 200, 32, 0.2  # of its training; the last is a temperature


def two_views(scene: Scene) -> dict[str, np.ndarray]:
    """The expensive stage: two views of each picture of the batch, and their vectors.

    First views come first; `…_pool` are the gallery's without the batch's own.
    """
    scene.recorder.progress(0, 2, "Making and reading the views")
    seed, loaded = int(scene.options["seed"]), scene.loaded
    chosen = np.random.default_rng(seed).permutation(len(pets.LABELS))[:OTHERS]
    rest = np.setdiff1d(np.arange(len(pets.LABELS)), chosen)
    mine = images.square(scene.picture, pets.SIDE).image
    batch = embedding.tensors([mine, *(pets.pictures()[n] for n in chosen)])
    generator = torch.Generator().manual_seed(seed)
    shown, *more = (pair(scene.module, batch, generator) for _ in range(1 + LESSONS))
    encode = embedding.encoder(loaded, scene.device)
    with listening(loaded.model, scene.recorder.alive):
        known = embedding.gallery(scene, "encoder", encode)          # (96, D)
        seen = embedding.embedded(torch.cat([shown, *more]), encode, scene)
    flat = embedding.pixels(embedding.tensors(pets.pictures()))      # (96, 768)
    vectors, lessons = seen[: len(shown)], seen[len(shown) :]
    found = {
        "views": shown, "rest": torch.from_numpy(rest),
        "encoder": embedding.directions(vectors, vectors),
        "encoder_pool": embedding.directions(known[rest], known),
        "pixels": embedding.directions(*2 * (embedding.pixels(shown),)),
        "pixels_pool": embedding.directions(flat[rest], flat),
    }
    learnt = trained_map(scene, lessons.unflatten(0, (LESSONS, 2, -1)), known[rest])
    found["trained"] = F.normalize((vectors - lessons.mean(0)) @ learnt, dim=1)
    found["trained_pool"] = F.normalize((known[rest] - known.mean(0)) @ learnt, dim=1)
    return {name: values.numpy() for name, values in found.items()}


def pair(module: ModuleType, batch: Tensor, generator: torch.Generator) -> Tensor:
    """The paper's two views of each picture, (2B, 3, S, S) in [0, 1]."""
    made = module.views(batch, generator)
    both = made if isinstance(made, Tensor) else torch.cat(list(made))
    return embedding.as_pixels(both)


@torch.enable_grad()
def trained_map(scene: Scene, lessons: Tensor, pool: Tensor) -> Tensor:
    """A linear map that the paper's loss makes of other views of the same pictures.

    lessons: (LESSONS, 2, B, D), the encoder's vectors; pool: (K, D). The map is
    (D, WIDTH).
    """
    generator = torch.Generator().manual_seed(int(scene.options["seed"]))
    width = lessons.shape[-1]
    start = torch.randn(width, WIDTH, generator=generator) * width**-0.5
    learnt = start.requires_grad_()
    optimiser = torch.optim.AdamW([learnt], lr=3e-3, weight_decay=0.1)
    lessons = lessons - lessons.mean((0, 1, 2))
    pool = pool - pool.mean(0)
    for step in range(STEPS):
        z1, z2 = lessons[step % len(lessons)] @ learnt               # (B, WIDTH) each
        support = F.normalize(pool @ learnt, dim=1).detach()
        loss = paper_loss(scene.module, z1, z2, support, TRAINED_AT)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        scene.recorder.alive()
    return learnt.detach()


def paper_loss(
    module: ModuleType, z1: Tensor, z2: Tensor, pool: Tensor, temperature: float
) -> Tensor:
    """The paper's loss of two views (B, D), whatever it calls them.

    There is no projector or predictor here: queries, keys and predictions are the
    views' own vectors. pool: (K, D), what a support set holds.
    """
    if hasattr(module, "moco_v3_loss"):
        return module.moco_v3_loss(z1, z2, z1, z2, temperature)
    if hasattr(module, "nnclr_loss"):
        return module.nnclr_loss(z1, z2, z1, z2, pool, temperature)
    return module.nt_xent_loss(z1, z2, temperature)
