"""Neighbours demo: the gallery's pictures by their angle to the submitted one.

Which are nearest is k-NN's own `nearest`; whose features are compared differs by row.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from demos.drawing import strips
from demos.drawing.strips import Strip
from demos.intake import images
from demos.pieces import embedding, pets
from demos.scene import Numbers, Scene
from reference_impls.knn import nearest


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """A row of neighbours for each way to compare pictures."""
    seen = scene.stage("cosines", lambda: compared(scene))
    shown = int(scene.options["shown"])
    ranked = {name: (-cosines).argsort(kind="stable") for name, cosines in seen.items()}
    ranked = {name: order[:shown] for name, order in ranked.items()}
    rows = [
        Strip(name, list(order), [f"{seen[name][n]:.2f}" for n in order])
        for name, order in ranked.items()
    ]
    first = {name: pets.breed(int(order[0])) for name, order in ranked.items()}
    scene.recorder.picture(
        "neighbours", strips.drawn(rows),
        f"The {shown} pictures of a gallery of {len(pets.LABELS)} pets that lie "
        "nearest to yours, with the cosine of the angle; the colour under each is its "
        f"breed. {embedding.CENTRED} Whatever you send, some pet is nearest: look at "
        "what neighbours share (pose, background, colour); do not read a breed into "
        f"it. {pets.CREDIT}",
        "; ".join(f"{name}: the nearest is {breed}" for name, breed in first.items())
        + ".",
    )
    scene.recorder.arrays(
        "cosines", "Cosine of your picture with each of the gallery, breed by breed: "
        f"{', '.join(pets.BREEDS)}.",
        **{name.replace(" ", "_"): cosines for name, cosines in seen.items()},
    )
    scene.recorder.progress(1, 1, "Done")
    return {
        "gallery": len(pets.LABELS),
        "nearest": [f"{name}: {breed}" for name, breed in first.items()],
        "shared_with_pixels": [
            f"{name}: {len({*order} & {*ranked[embedding.PIXELS]})} of {shown}"
            for name, order in ranked.items() if name != embedding.PIXELS
        ],
    }


def compared(scene: Scene) -> dict[str, np.ndarray]:
    """The expensive stage: cosines with the gallery, (96,) for each way to compare."""
    mine = embedding.tensors([images.square(scene.picture, 2 * pets.SIDE).image])
    ways, found = embedding.encoders(scene), {}
    for n, (name, encode) in enumerate(ways.items()):
        scene.recorder.progress(n, len(ways), f"Reading the gallery: {name}")
        known = embedding.gallery(scene, name, encode)           # (96, D)
        asked = embedding.embedded(mine, encode, scene)          # (1, D)
        found[name] = cosines(known, asked).numpy()
    return found


def cosines(known: Tensor, asked: Tensor) -> Tensor:
    """Of one picture (1, D) with each of the gallery's (96, D), in its order."""
    train = embedding.directions(known, known)
    test = embedding.directions(asked, known)
    values, rows = nearest(train, test, len(train))              # (1, 96) each
    return torch.empty(len(train)).scatter_(0, rows[0], values[0])
