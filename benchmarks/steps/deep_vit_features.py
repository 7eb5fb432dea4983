"""Dense descriptors: bins, neighbours and components of 28x28 patches."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from torch import Tensor

from benchmarks.side_by_side import Step, leaves
from reference_impls import deep_vit_features as dvf


def transcribed_bins(feats: Tensor, grid: tuple[int, int]) -> Tensor:
    """Place by place, ring by ring, neighbour by neighbour."""
    h, w = grid
    maps = feats.permute(0, 3, 1, 2).flatten(1, 2).unflatten(2, grid)     # (B, D, h, w)
    means = [
        F.avg_pool2d(maps, s, 1, s // 2, count_include_pad=False) for s in (1, 3)
    ]
    B, D = maps.shape[:2]
    bins = torch.zeros(B, 17 * D, h, w)
    for y in range(h):
        for x in range(w):
            part = 0
            for s, mean in zip((1, 3), means, strict=True):
                for i in (y - s, y, y + s):
                    for j in (x - s, x, x + s):
                        if s == 1 or (i, j) != (y, x):
                            at = min(max(i, 0), h - 1), min(max(j, 0), w - 1)
                            bins[:, part : part + D, y, x] = mean[:, :, *at]
                            part += D
    return bins.flatten(2).mT[:, None]


def transcribed_buddies(d1: Tensor, d2: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines token by token, then nearest neighbours both ways."""
    cosines = torch.stack([F.cosine_similarity(one[None], d2, dim=1) for one in d1])
    nn12, nn21 = cosines.max(dim=1).indices, cosines.max(dim=0).indices
    return (nn21[nn12] == torch.arange(len(d1))).int(), nn12


def steps() -> Iterator[Step]:
    grid = (28, 28)
    feats = leaves((1, 6, 784, 64))[0].detach()
    yield Step(
        "log-binning, 28x28 patches of 384", "plain transcription",
        ours=lambda: dvf.log_bin(feats, grid).contiguous(),
        theirs=lambda: transcribed_bins(feats, grid).contiguous(),
    )
    d1, d2 = (d.detach() for d in leaves((784, 384), n=2))
    yield Step(
        "best buddies, 784 and 784 patches of 384", "plain transcription",
        ours=lambda: [found.int() for found in dvf.best_buddies(d1, d2)],
        theirs=lambda: transcribed_buddies(d1, d2),
    )
    tokens = torch.cat([d1, d2]) * 0.8 ** torch.arange(384)  # a spectrum with a front
    pca = PCA(4)

    def peer() -> Tensor:
        found = torch.from_numpy(pca.fit_transform(tokens.numpy()))
        axes = torch.from_numpy(pca.components_)
        return found * axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign().T

    yield Step(
        "PCA of two images, 4 components", "scikit-learn PCA",
        ours=lambda: torch.cat(dvf.descriptor_pca([tokens[:784], tokens[784:]], 4)),
        theirs=peer,
    )
