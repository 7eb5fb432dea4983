"""Weighted k-NN: judge frozen features by asking their nearest neighbours.

Paper:    Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance
          Discrimination", CVPR 2018, arXiv 1805.01978 (Sec. 3.4);
          Caron et al., arXiv 2104.14294, use it so for DINO
Differs:  1. of the first paper only the classifier; its training is not here
          2. both sets are normalised here; upstream expects it done
          3. k is clamped to the training set and top-5 to the classes; upstream fails
          4. `softmax=True` gives each neighbour its share of all k weights, as DINOv2
             does: the same ranking, and no overflow at low temperatures
          5. any number of test images; upstream's chunk is a hundredth of them
          6. half precision is raised to float32: exp(cos / T) needs the digits
Checked:  facebookresearch/dino@7c446df: scores to 1e-4, predictions exactly

Shapes:   N training images, M test images, D features, k neighbours, C classes,
          S crop side
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    """DINO's choice; the first paper has k=200 with the same temperature."""

    k: int = 20
    T: float = 0.07      # temperature of the weights
    resize: int = 256    # test images: shorter side, then the centre crop
    crop: int = 224


TINY = Config(k=5, resize=64, crop=64)


def centre_crops(images: Tensor, resize: int = 256, crop: int = 224) -> Tensor:
    """Test images: the shorter side to `resize`, then the middle square.

    images: (B, 3, H, W) in [0, 1]. Returns (B, 3, crop, crop), still in [0, 1].
    """
    if crop > resize:
        raise ValueError(f"a crop of {crop} does not fit in a shorter side of {resize}")
    H, W = images.shape[-2:]
    size = [resize * H // min(H, W), resize * W // min(H, W)]
    if size != [H, W]:
        images = F.interpolate(images, size, mode="bicubic", antialias=True)
    top, left = (size[0] - crop) // 2, (size[1] - crop) // 2
    return images[..., top:top + crop, left:left + crop].clamp(0, 1)  # (B, 3, S, S)


@torch.no_grad()
def extract_features(
    encoder: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """Features (N, D) and labels (N,) of a labelled set, the encoder frozen.

    encoder: any module from images to (B, D): the backbone alone, without the head it
    was trained with, and DINO's teacher rather than its student.
    """
    training = encoder.training
    encoder.eval()                                          # -- frozen
    found = [(encoder(images), labels) for images, labels in batches]
    encoder.train(training)
    if not found:
        raise ValueError("no batches; a labelled set has at least one")
    features, labels = zip(*found, strict=True)
    return torch.cat(features), torch.cat(labels)           # (N, D), (N,)


def nearest(train: Tensor, test: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Cosines with the k nearest training vectors, and their rows, (M, k) each.

    train: (N, D), test: (M, D), both of unit length. In no particular order.
    """
    similarity = test @ train.T                             # (M, N)  -- s_i
    return similarity.topk(min(k, len(train)), dim=1, sorted=False)  # (M, k)  -- N_k


def vote(
    similarity: Tensor,
    labels: Tensor,
    T: float,
    num_classes: int,
    softmax: bool = False,
) -> Tensor:
    """Each neighbour votes for its class with weight exp(cos / T): (M, k) to (M, C)."""
    scaled = similarity / T                                 # (M, k)
    weights = scaled.softmax(dim=1) if softmax else scaled.exp()  # -- alpha_i
    scores = weights.new_zeros(len(labels), num_classes)    # (M, C)
    return scores.scatter_add(1, labels, weights)           # (M, C)  -- w_c


def weighted_knn(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    k: int = 20,
    T: float = 0.07,
    num_classes: int | None = None,
    *,
    softmax: bool = False,
    chunk: int = 256,
) -> Tensor:
    """A score for each class, (M, C); the largest is the prediction.

    train_features: (N, D), train_labels: (N,), test_features: (M, D), of any length.
    num_classes: one more than the largest training label by default. chunk: test
    images at once; (chunk, N) cosines are held in memory.
    """
    check(train_features, train_labels, test_features, k, T, softmax)
    if num_classes is None:
        num_classes = int(train_labels.max()) + 1
    dtype = torch.promote_types(train_features.dtype, torch.float32)
    with torch.autocast(train_features.device.type, enabled=False):
        train = F.normalize(train_features.to(dtype), dim=1)  # (N, D)  -- unit length
        test = F.normalize(test_features.to(dtype), dim=1)    # (M, D)
        scores = []
        for part in test.split(chunk):                        # (<= chunk, D)
            similarity, rows = nearest(train, part, k)
            scores.append(vote(similarity, train_labels[rows], T, num_classes, softmax))
    return torch.cat(scores)                                  # (M, C)


def check(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    k: int,
    T: float,
    softmax: bool,
) -> None:
    """Raises ValueError where a call of `weighted_knn` cannot be meant."""
    if train_features.shape[1:] != test_features.shape[1:]:
        raise ValueError(
            f"train {tuple(train_features.shape)} and test "
            f"{tuple(test_features.shape)} differ in width; take one encoder for both"
        )
    if train_labels.shape != train_features.shape[:1]:
        raise ValueError(
            f"{tuple(train_labels.shape)} labels for {len(train_features)} training "
            "images; give one whole number for each"
        )
    if k < 1:
        raise ValueError(f"k={k}; ask at least one neighbour")
    if T <= 0:
        raise ValueError(f"temperature {T} must be positive")
    dtype = torch.promote_types(train_features.dtype, torch.float32)
    if not softmax and math.log(torch.finfo(dtype).max) < 1 / T:
        raise ValueError(f"exp(1 / {T}) overflows {dtype}; say softmax=True")


def topk_accuracy(
    scores: Tensor, labels: Tensor, topk: Sequence[int] = (1, 5)
) -> list[float]:
    """Percent of images whose class is among the best 1, 5, ... scores.

    scores: (M, C), labels: (M,). Of equal scores the lower class goes first, as for all
    classes without a vote. With fewer classes than asked for, among all.
    """
    if len(scores) != len(labels):
        raise ValueError(f"{len(scores)} score rows for {len(labels)} labels")
    ranked = scores.argsort(dim=1, descending=True, stable=True)  # (M, C)
    hits = ranked == labels[:, None]                              # (M, C)  -- hits
    return [100 * hits[:, :n].any(dim=1).double().mean().item() for n in topk]
