"""Common parts: patches of all pictures in clusters, of which the salient are kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Generator, Tensor

from demos.drawing import pictures
from demos.drawing.colour import hues
from demos.listening import beside
from demos.pieces.descriptors import (
    View,
    class_attention,
    counted,
    describe,
    layer_of,
    notes,
    view_all,
)
from demos.scene import Numbers, Scene

CELL = 360      # pixels, the side of each picture
SAMPLED = 600   # descriptors that the clusters are learnt from, about


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """Draw what the pictures have in common, then its parts."""
    layer, views = layer_of(scene), view_all(scene, square=True)
    read = scene.stage("clusters", lambda: cluster(scene, views, layer))
    scene.recorder.progress(1, 1, "Drawing")
    labels, salient = (torch.from_numpy(read[n]) for n in ("labels", "saliency"))
    k = int(read["means"].shape[1])
    votes, kept = scene.module.salient_clusters(
        labels, salient, k, float(scene.options["threshold"]),
        float(scene.options["votes"]),
    )                                                            # (k,), (k,)
    common = kept[labels].view(-1, *views[0].grid).numpy()       # (n, rows, columns)
    parts = labels.view(-1, *views[0].grid).numpy()
    draw_common(scene, views, common, f"layer {layer}, {counted(views[:1])} each")
    draw_parts(scene, views, parts, kept.numpy())
    list_clusters(scene, read, votes, kept)
    scene.recorder.arrays(
        "clusters", "For each picture the cluster of each patch and whether it is "
        "common, (n, rows, columns), and the saliency; which clusters are kept.",
        labels=parts, common=common, saliency=salient.view(common.shape).numpy(),
        kept=kept.numpy(), votes=votes.numpy(),
    )
    return {
        "layer": layer, "clusters": k, "kept": int(kept.sum()),
        "common_percent": [round(100 * float(one.mean()), 1) for one in common],
    }


# Clusters


def cluster(scene: Scene, views: Sequence[View], layer: int) -> dict[str, np.ndarray]:
    """The expensive stage: labels and saliency (n, N), mean saliency by cluster (n, k).

    As the paper's `cosegment` goes, up to its vote.
    """
    recorder, n = scene.recorder, len(views)
    keys, salient = [], []
    for i, view in enumerate(views):
        recorder.progress(i, n + 1, f"The model reads picture {i + 1}")
        keys.append(describe(scene, view, layer, "key", False))  # (N, D)
        rows = class_attention(scene, view, scene.loaded.depth - 1)
        salient.append(scene.module.saliency(rows, range(rows.shape[1])).nan_to_num())
    recorder.progress(n, n + 1, "Looking for clusters")
    x = F.normalize(torch.cat(keys), dim=1)                      # (n N, D)
    generator = Generator().manual_seed(int(scene.options["seed"]))
    labels, k = beside(
        lambda: scene.module.elbow_clusters(
            x, generator, float(scene.options["elbow"]), max(1, len(x) // SAMPLED)
        ),
        recorder.alive,
    )
    labels, saliency = labels.view(n, -1), torch.cat(salient)    # (n, N)
    return {
        "labels": labels.numpy(), "saliency": saliency.numpy(),
        "means": means_of(labels, saliency, k).numpy(),
    }


def means_of(labels: Tensor, saliency: Tensor, k: int) -> Tensor:
    """Each cluster's mean saliency in each picture, (n, k); -1 where it is not."""
    member = F.one_hot(labels, k).to(saliency.dtype)             # (n, N, k)
    count = member.sum(1)
    total = (saliency[:, None] @ member)[:, 0]                   # (n, k)
    return torch.where(count > 0, total / count.clamp(min=1), -1)


# Pictures


def tiles_of(views: Sequence[View]) -> list[Image.Image]:
    return [pictures.scaled(view.fitted.display, CELL) for view in views]


def draw_common(
    scene: Scene, views: Sequence[View], common: np.ndarray, said: str
) -> None:
    """Each picture with the common patches lit."""
    lit = [
        pictures.spotlight(tile, view.spread(mask))
        for tile, view, mask in zip(tiles_of(views), views, common, strict=True)
    ]
    shares = [f"{100 * mask.mean():.0f} %" for mask in common]
    labels = [f"picture {n}: {share}" for n, share in enumerate(shares, 1)]
    none = "" if common.any() else " Nothing is: lower the saliency or the votes."
    scene.recorder.picture(
        "common", pictures.sheet(lit, labels, columns=2),
        "Lit is what the pictures have in common: clusters of patches, found in all "
        f"pictures together and kept because the class token looks at them.{none} "
        "Nothing was trained to segment, and the mask ends at patches. What is alike "
        "but not looked at stays dark, and so does what only one picture has. Keys of "
        f"{said}. {notes(views)}",
        f"The pictures with their common patches lit: {', '.join(labels)}.",
    )


def draw_parts(
    scene: Scene, views: Sequence[View], parts: np.ndarray, kept: np.ndarray
) -> None:
    """Each picture's kept clusters in colours, the same in all; others greyed."""
    palette = np.zeros((len(kept), 3), np.uint8)
    palette[kept] = hues(max(1, int(kept.sum())))[: int(kept.sum())]
    drawn = []
    for tile, view, part in zip(tiles_of(views), views, parts, strict=True):
        colours = Image.fromarray(view.spread(palette[part])).resize(tile.size, 0)
        mixed = Image.blend(tile.convert("L").convert("RGB"), colours, 0.6)
        rest = tile.convert("L").convert("RGB").point(lambda v: v * 0.35)
        mask = Image.fromarray(view.spread(kept[part]).astype(np.uint8) * 255)
        drawn.append(Image.composite(mixed, rest, mask.resize(tile.size, 0)))
    labels = [f"picture {n}" for n in range(1, len(drawn) + 1)]
    scene.recorder.picture(
        "parts", pictures.sheet(drawn, labels, columns=2),
        f"Of {len(kept)} clusters {int(kept.sum())} kept: one colour is one cluster, "
        "in all pictures. They tend to be parts, such as heads or legs.",
        f"The pictures with the patches of {int(kept.sum())} clusters in colours.",
    )


def list_clusters(
    scene: Scene, read: dict[str, np.ndarray], votes: Tensor, kept: Tensor
) -> None:
    """Which cluster got how many votes, and from how salient patches."""
    means, n = read["means"], len(read["means"])
    rows = [
        [
            str(c), *("none" if m < 0 else f"{m:.2f}" for m in means[:, c]),
            f"{int(votes[c])} of {n}", "kept" if kept[c] else "left out",
        ]
        for c in range(means.shape[1])
    ]
    places = [f"in picture {i}" for i in range(1, n + 1)]
    scene.recorder.table(
        "votes", "Each cluster's mean saliency in each picture, and who voted for it.",
        ["cluster", *places, "votes", "outcome"], rows,
    )
