"""What frozen features are worth: nearest neighbours, a linear probe, their spread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demos.training import packs
from reference_impls import byol, knn, linear_probe, simclr
from reference_impls.simclr import normalize

REFERENCES, QUERIES = 2500, 1000
PROBE = linear_probe.Config(
    n_last_blocks=1, avgpool=True, lr=0.01, epochs=50, batch=256
)
RAW_SIDE = 16


@dataclass(frozen=True)
class Labelled:
    """Pictures (N, 3, S, S) uint8, and what they show."""

    images: Tensor
    labels: Tensor


def drawn(pack: Path, side: int, n: int, folder: Path) -> Labelled:
    """The same n pictures of a pack each time, or all if it has less."""
    labels = packs.read_labels(pack)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))[:n]
    return Labelled(packs.decoded(pack, side, folder)[order], labels[order])


PatchTokens = Callable[[Any, Tensor], Tensor]  # model, (B, 3, S, S) to (B, N, D)


@torch.no_grad()
def represent(features: PatchTokens, model: nn.Module, images: Tensor) -> Tensor:
    """The class token beside the patches' mean, each of unit length: (N, 2 D).

    features: the paper's own. images: (N, 3, S, S) uint8. Some methods train the one,
    some the other; both come from the encoder's final norm, whose output is heard.
    """
    encoder: nn.Module = getattr(model, "encoder", model)
    device, heard = next(model.parameters()).device, []
    listener = encoder.norm.register_forward_hook(lambda *call: heard.append(call[2]))
    was_training = model.training
    model.eval()
    rows = []
    for chunk in images.split(100):
        patches = features(model, normalize(chunk.to(device).float() / 255))
        tokens = heard.pop()                                  # (B, prefix + N, D)
        pair = F.normalize(tokens[:, 0], dim=1), F.normalize(patches.mean(1), dim=1)
        rows.append(torch.cat(pair, dim=1).float().cpu())
    model.train(was_training)
    listener.remove()
    return torch.cat(rows)


def raw_pixels(images: Tensor) -> Tensor:
    """Pictures as 16 x 16 pixels: what needs no network at all."""
    small = F.interpolate(images.float() / 255, size=(RAW_SIDE, RAW_SIDE), mode="area")
    return normalize(small).flatten(1)


def judged(
    references: Tensor, labels: Tensor, queries: Tensor, answers: Tensor
) -> dict[str, float]:
    """knn and linear: top-1 in percent. spread: of unit features, 1 fills the sphere.

    references, queries: (N, F) and (M, F) features.
    """
    scores = knn.weighted_knn(references, labels, queries, k=20, T=0.07)
    mean, deviation = references.mean(0), references.std(0).clamp_min(1e-6)
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        linear = linear_probe.linear_evaluation(
            ((references - mean) / deviation, labels),
            ((queries - mean) / deviation, answers), PROBE, generator,
        )
    return {
        "knn": knn.topk_accuracy(scores, answers, (1,))[0],
        "linear": linear[0],
        "spread": byol.feature_spread(queries) * queries.shape[1] ** 0.5,
        "rank": rank(queries),
    }


def rank(features: Tensor) -> float:
    """How many directions (N, F) features use: exp of their spectrum's entropy."""
    share = torch.linalg.svdvals(features - features.mean(0))
    total = share.sum()
    return torch.special.entr(share / total).sum().exp().item() if total > 0 else 0.0


class Judge:
    """Two labelled sets of pictures, and what features are worth on them."""

    def __init__(self, references: Path, queries: Path, side: int, folder: Path):
        self.references = drawn(references, side, REFERENCES, folder)
        self.queries = drawn(queries, side, QUERIES, folder)

    def of(self, features: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """features: from pictures (N, 3, S, S) uint8 to vectors (N, F)."""
        known, asked = self.references, self.queries
        return judged(
            features(known.images), known.labels, features(asked.images), asked.labels
        )

    def of_model(self, features: PatchTokens, model: nn.Module) -> dict[str, float]:
        return self.of(lambda images: represent(features, model, images))

    def controls(self) -> dict[str, dict[str, float]]:
        """Pixels as they are, and an encoder that has seen nothing."""
        torch.manual_seed(0)
        untrained = self.of_model(simclr.features, simclr.build())
        return {"raw_pixels": self.of(raw_pixels), "random_start": untrained}
