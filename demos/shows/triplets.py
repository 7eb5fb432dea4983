"""Triplets demo: one anchor, one positive, and every pet of the gallery as negative."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from demos.drawing import bars, plots, strips
from demos.drawing.plots import Axis
from demos.drawing.strips import Strip
from demos.intake import images
from demos.listening import listening
from demos.pieces import embedding, pets
from demos.scene import Numbers, Scene

SHOWN = strips.COLUMNS            # of each kind
PIECE = (0.65, 0.85)              # side of the positive, in sides of the anchor
SAID = {
    "hard": "nearer than the piece",
    "semi-hard": "farther, but within the margin",
    "easy": "beyond the margin: loss 0",
}


@dataclass(frozen=True)
class Triplets:
    """The anchor's squared distances, and what the paper's functions make of them."""

    near: float         # to the positive
    far: np.ndarray     # (96,): to each negative
    losses: np.ndarray  # (96,)
    chosen: int         # the negative that the paper's mining takes
    margin: float

    def of(self, kind: str) -> np.ndarray:
        """The negatives of a kind, the nearest first."""
        order = self.far.argsort(kind="stable")
        hard, easy = self.far[order] <= self.near, self.losses[order] == 0
        return order[{"hard": hard, "easy": easy, "semi-hard": ~hard & ~easy}[kind]]


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """The three kinds, and where all negatives lie."""
    seen = scene.stage("vectors", lambda: vectors(scene))
    scene.recorder.progress(1, 2, "Sorting triplets")
    found = sorted_out(scene, torch.from_numpy(seen["vectors"]))
    draw_kinds(scene, found, embedding.thumbnails(torch.from_numpy(seen["pair"])))
    draw_distances(scene, found)
    scene.recorder.arrays(
        "triplets", "Squared distances of the anchor to the positive and to each of "
        "the gallery, and each triplet's loss.", near=np.array(found.near),
        far=found.far, losses=found.losses,
    )
    scene.recorder.progress(2, 2, "Done")
    return {
        **{kind.replace("-", "_"): len(found.of(kind)) for kind in SAID},
        "distance_to_the_piece": round(found.near, 4),
        "mean_loss": round(float(found.losses.mean()), 4),
        "chosen_negative": pets.breed(found.chosen),
        "chosen_distance": round(float(found.far[found.chosen]), 4),
    }


def vectors(scene: Scene) -> dict[str, np.ndarray]:
    """The expensive stage: anchor, positive and gallery as unit vectors (98, D)."""
    scene.recorder.progress(0, 2, "Reading the gallery")
    anchor = images.square(scene.picture, 2 * pets.SIDE).image
    pair = embedding.tensors([anchor, piece(anchor, int(scene.options["seed"]))])
    encode = embedding.encoder(scene.loaded, scene.device)
    with listening(scene.loaded.model, scene.recorder.alive):
        known = embedding.gallery(scene, "encoder", encode)      # (96, D)
        mine = embedding.embedded(pair, encode, scene)           # (2, D)
    both = embedding.directions(torch.cat([mine, known]), known)
    return {"vectors": both.numpy(), "pair": pair.numpy()}


def piece(anchor: Image.Image, seed: int) -> Image.Image:
    """A part of the square picture, mirrored, at the picture's size."""
    drawn, side = np.random.default_rng(seed), anchor.width
    edge = side * drawn.uniform(*PIECE)
    left, top = drawn.uniform(0, side - edge, 2)
    box = (left, top, left + edge, top + edge)
    return ImageOps.mirror(anchor.resize(anchor.size, Image.Resampling.BICUBIC, box))


def sorted_out(scene: Scene, z: Tensor) -> Triplets:
    """Losses and the choice of the paper's functions. z: (98, D), the pair first."""
    margin, negatives = float(scene.options["margin"]), z[2:]
    anchor, positive = (row.expand_as(negatives) for row in z[:2])
    losses = scene.module.triplet_loss(
        anchor, positive, negatives, margin, reduction="none"
    )                                                            # (96,)
    labels = torch.tensor([0, 0, *[1] * len(negatives)])
    a, p, n = scene.module.semi_hard_triplets(z, labels)
    mine = (a == 0) & (p == 1)
    far = (z[0] - negatives).square().sum(1)                     # (96,)
    near = float((z[0] - z[1]).square().sum())
    return Triplets(near, far.numpy(), losses.numpy(), int(n[mine]) - 2, margin)


# Pictures


def draw_kinds(scene: Scene, found: Triplets, pair: list[Image.Image]) -> None:
    """The nearest negatives of each kind under anchor and positive."""
    rows = []
    for kind, said in SAID.items():
        places = found.of(kind)
        words = [f"{found.far[n]:.2f}" for n in places[:SHOWN]]
        rows.append(Strip(f"{len(places)} {kind}: {said}", list(places[:SHOWN]), words))
    counts = ", ".join(f"{len(found.of(kind))} {kind}" for kind in SAID)
    chosen = found.far[found.chosen]
    which = "the nearest beyond the piece" if chosen > found.near else (
        "the farthest where none lies beyond the piece"
    )
    scene.recorder.picture(
        "kinds", bars.headed(pair, strips.drawn(rows)),
        f"Above, the anchor (your picture) and the positive (a piece of it, mirrored), "
        f"{found.near:.2f} apart. Below, the gallery as negatives with their squared "
        f"distances, sorted at a margin of {found.margin:g}: {counts}. Easy ones teach "
        f"nothing. The paper's mining takes {which}, here one at {chosen:.2f}. "
        f"Compared by {scene.loaded.card.name}, which was not trained with this loss. "
        f"{embedding.CENTRED} {pets.CREDIT}",
        f"Rows of gallery pictures: {counts}.",
    )


def draw_distances(scene: Scene, found: Triplets) -> None:
    """All negatives by distance, with the two borders."""
    far, last = np.sort(found.far), len(found.far)
    border = found.near + found.margin
    scene.recorder.picture(
        "distances",
        plots.plot(
            {
                "negatives": [(n + 1, float(value)) for n, value in enumerate(far)],
                "the piece": [(1, found.near), (last, found.near)],
                "plus margin": [(1, border), (last, border)],
            },
            Axis("negatives, the nearest first"), Axis("squared distance"),
        ),
        "All negatives by their distance to your picture. Below the blue line they are "
        "hard, between the lines semi-hard, above both easy: a larger margin leaves "
        "fewer that are easy.",
        f"A rising curve from {far[0]:.2f} to {far[-1]:.2f}; the piece lies at "
        f"{found.near:.2f}, the margin ends at {border:.2f}.",
    )
