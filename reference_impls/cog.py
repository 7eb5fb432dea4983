"""ImageNet-CoG: can frozen features tell apart concepts far from those they grew on?

Paper:    Sariyildiz et al., "Concept Generalization in Visual Representation
          Learning", ICCV 2021, arXiv 2012.05649
Differs:  1. rate and decay are searched by seeded random draws; the paper has Optuna's
             TPE sampler over the same ranges, with as many trials
          2. the rate of every epoch is the cosine's; upstream sets it after the epoch,
             so that all but the first lag by one (`late=True`)
          3. the classifier starts at zero, or at `w0`, `b0`; upstream draws it
          4. unit length has epsilon 1e-12 on every kind of array; upstream adds 1e-5 to
             the norm of NumPy's
          5. a class too small for a validation share is trained on; upstream's slice
             validates on all of it (`sliced=True`)
          6. levels are equal parts of the ranking of all concepts given; the paper
             first filters WordNet's and keeps 1000 a level
Checked:  naver/cog@5b34ca9: indices exactly, weights, losses and rates of 20 epochs to
          1e-3

Shapes:   N images, M test images, D features, C classes
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from reference_impls.knn import topk_accuracy
from reference_impls.linear_probe import batches, cosine_lrs

Shots = int | None  # images a class; None is all of them


@dataclass(frozen=True)
class Config:
    """The benchmark's defaults."""

    epochs: int = 100
    batch: int = 1024
    momentum: float = 0.9
    trials: int = 30
    lr: tuple[float, float] = (1e-1, 1e2)      # searched, uniform in the logarithm
    wd: tuple[float, float] = (1e-12, 1e-4)
    p_val: float = 0.2                         # of the training set, for the search
    shots: tuple[Shots, ...] = (1, 2, 4, 8, 16, 32, 64, 128, None)
    seeds: tuple[int, ...] = (22, 37, 45, 77, 93)


TINY = Config(epochs=20, batch=64, trials=4, shots=(1, 4, None), seeds=(22, 37))


# Levels: unseen concepts from near to far (Sec. 3)


def ancestors(concept: str, parents: Mapping[str, Sequence[str]]) -> set[str]:
    """The concept itself and all above it."""
    found, above = {concept}, list(parents.get(concept, ()))
    while above:
        if (one := above.pop()) not in found:
            found.add(one)
            above.extend(parents.get(one, ()))
    return found


def information_content(
    parents: Mapping[str, Sequence[str]], counts: Mapping[str, float]
) -> dict[str, float]:
    """-log of the chance to meet a concept or one below it; 0 at a single root.

    parents: of every concept, none for a root. counts: how often each is met itself.
    """
    mass = dict.fromkeys(parents, 0.0)
    for concept in parents:
        for one in ancestors(concept, parents):
            mass[one] += counts.get(concept, 0.0)
    total = sum(counts.values())
    return {
        c: -math.log(m / total) if m else math.inf for c, m in mass.items()
    }                                                           # -- IC


def lin_similarity(
    a: str,
    b: str,
    parents: Mapping[str, Sequence[str]],
    ic: Mapping[str, float],
) -> float:
    """What two concepts share over what they say: 1 for the same, 0 at the root."""
    shared = ancestors(a, parents) & ancestors(b, parents)
    common = max((ic[c] for c in shared), default=0.0)          # -- common ancestor
    if a == b or not ic[a] + ic[b]:
        return 1.0
    return 2 * common / (ic[a] + ic[b])                         # -- Lin similarity


def concept_levels(
    unseen: Sequence[str],
    seen: Collection[str],
    parents: Mapping[str, Sequence[str]],
    ic: Mapping[str, float],
    n_levels: int = 5,
) -> list[list[str]]:
    """L1 to L5: unseen concepts in equal parts, the most similar to the seen first.

    A concept's similarity to the seen ones is that to the nearest (unverified).
    """
    if len(unseen) < n_levels:
        raise ValueError(f"{len(unseen)} concepts do not fill {n_levels} levels")
    nearness = {
        c: max(lin_similarity(c, s, parents, ic) for s in seen) for c in unseen
    }                                                           # -- nearest
    ranked = sorted(unseen, key=nearness.__getitem__, reverse=True)  # -- ranked
    size = len(ranked) // n_levels
    return [ranked[i * size:(i + 1) * size] for i in range(n_levels)]


# Features and their samples (Sec. 4.1)


def l2_normalize(X: Tensor) -> Tensor:
    """Every feature vector to unit length, (N, D)."""
    return F.normalize(X, dim=1)                                # -- unit length


def shuffled_classes(labels: Tensor, generator: Generator) -> list[Tensor]:
    """The rows of each class in a random order, classes ascending."""
    rows = [(labels == c).nonzero().squeeze(1) for c in labels.unique()]
    return [
        r[torch.randperm(len(r), generator=generator).to(r.device)] for r in rows
    ]


def few_shot_indices(labels: Tensor, n_shot: int, generator: Generator) -> Tensor:
    """n_shot different images of every class: labels (N,) to rows (C n_shot,)."""
    rows = shuffled_classes(labels, generator)
    if (least := min(map(len, rows))) < n_shot or n_shot < 1:
        raise ValueError(f"n_shot={n_shot}, and the smallest class has {least} images")
    return torch.cat([r[:n_shot] for r in rows])                # (C n_shot,)  -- few


def split_train_val(
    labels: Tensor, p_val: float, generator: Generator, *, sliced: bool = False
) -> tuple[Tensor, Tensor]:
    """Rows to train on and rows to validate on, a share p_val of every class.

    A class of fewer than 1 / p_val images is only trained on; with `sliced`, it is only
    validated on, as upstream, where the slice `[-0:]` takes all.
    """
    if not 0 < p_val < 1:
        raise ValueError(f"p_val={p_val} must lie between 0 and 1")
    rows = shuffled_classes(labels, generator)
    shares = [int(len(r) * p_val) for r in rows]
    if sliced:
        shares = [n or len(r) for n, r in zip(shares, rows, strict=True)]
    kept = [len(r) - n for n, r in zip(shares, rows, strict=True)]
    train = torch.cat([r[:k] for r, k in zip(rows, kept, strict=True)])
    val = torch.cat([r[k:] for r, k in zip(rows, kept, strict=True)])  # -- validation
    return train, val


# The classifier (Sec. 4.1)


class History(NamedTuple):
    """Each epoch's rate and mean loss, and the test set's logits after the last one."""

    lrs: list[float]
    losses: list[float]
    logits: Tensor       # (M, C)


@torch.no_grad()
def train_linear_classifier(
    X: Tensor,
    y: Tensor,
    X_test: Tensor,
    lr: float,
    wd: float,
    epochs: int = 100,
    momentum: float = 0.9,
    batch_size: int = 1024,
    w0: Tensor | None = None,
    b0: Tensor | None = None,
    *,
    num_classes: int | None = None,
    generator: Generator | None = None,
    late: bool = False,
) -> tuple[Tensor, Tensor, History]:
    """Softmax regression by SGD with momentum: weights (C, D), bias (C,), history.

    X: (N, D), y: (N,), X_test: (M, D), of unit length. The decay is on the bias as
    well. Batches are shuffled if given a generator.
    """
    if X.shape[1:] != X_test.shape[1:]:
        raise ValueError(
            f"X {tuple(X.shape)} and X_test {tuple(X_test.shape)} differ in width; "
            "take one encoder for both"
        )
    C = num_classes or (int(y.max()) + 1 if w0 is None else len(w0))
    W = X.new_zeros(C, X.shape[1]) if w0 is None else w0.clone()  # (C, D)
    b = X.new_zeros(C) if b0 is None else b0.clone()              # (C,)
    step_W, step_b = torch.zeros_like(W), torch.zeros_like(b)
    lrs = cosine_lrs(lr, epochs)
    lrs = [lr, *lrs[:-1]] if late else lrs
    losses = []
    for rate in lrs:
        loss = X.new_zeros(())
        for x, labels in batches(X, y, batch_size, generator):
            logits = torch.addmm(b, x, W.T)                     # (B, C)
            rows, partition = labels[:, None], logits.logsumexp(1, keepdim=True)
            loss += (partition - logits.gather(1, rows)).sum()  # -- cross-entropy
            error = (logits - partition).exp_()                 # (B, C)  -- softmax
            error.scatter_add_(1, rows, -torch.ones_like(partition))
            error /= len(x)                                     # -- dL/dlogits
            step_W.mul_(momentum).addmm_(error.T, x).add_(W, alpha=wd)
            step_b.mul_(momentum).add_(error.sum(0)).add_(b, alpha=wd)
            W.sub_(step_W, alpha=rate)                          # -- SGD
            b.sub_(step_b, alpha=rate)
        losses.append(loss.item() / len(X))
    return W, b, History(lrs, losses, torch.addmm(b, X_test, W.T))


# The protocol


class FeatureSet(NamedTuple):
    """One level's features, of unit length, with labels from 0 to C - 1."""

    X: Tensor        # (N, D)
    y: Tensor        # (N,)
    X_test: Tensor   # (M, D)
    y_test: Tensor   # (M,)


class Result(NamedTuple):
    """One final classifier: where, on how many images a class, and how good."""

    level: str
    shots: Shots
    seed: int
    lr: float
    wd: float
    top1: float      # percent, after the last epoch


def log_uniform(bounds: tuple[float, float], generator: Generator) -> float:
    low, high = map(math.log, bounds)
    u = torch.rand((), generator=generator, dtype=torch.float64).item()
    return math.exp(low + (high - low) * u)                     # -- log-uniform


def fit(
    data: FeatureSet, lr: float, wd: float, config: Config, generator: Generator
) -> float:
    """Top-1 of one classifier."""
    *_, history = train_linear_classifier(
        data.X, data.y, data.X_test, lr, wd, config.epochs, config.momentum,
        config.batch, num_classes=int(data.y.max()) + 1, generator=generator,
    )
    return topk_accuracy(history.logits, data.y_test, topk=(1,))[0]


def sample(
    X: Tensor, y: Tensor, shots: Shots, generator: Generator
) -> tuple[Tensor, Tensor]:
    """A few images of every class, or all."""
    if shots is None:
        return X, y
    rows = few_shot_indices(y, shots, generator)
    return X[rows], y[rows]


def search(
    X: Tensor, y: Tensor, shots: Shots, config: Config, generator: Generator
) -> tuple[float, float]:
    """The rate and decay that are best on a part of the training set.

    Few shots are drawn from the other part; the validation part is never thinned.
    """
    train, val = split_train_val(y, config.p_val, generator)
    held_out = FeatureSet(*sample(X[train], y[train], shots, generator), X[val], y[val])
    trials = [
        (log_uniform(config.lr, generator), log_uniform(config.wd, generator))
        for _ in range(config.trials)
    ]
    scores = [fit(held_out, lr, wd, config, generator) for lr, wd in trials]
    return trials[scores.index(max(scores))]                    # -- best trial


def cog_evaluate(
    feature_sets: Mapping[str, FeatureSet],
    shots: Sequence[Shots] | None = None,
    config: Config = TINY,
) -> list[Result]:
    """Every level, number of shots and seed: search, train on all, test once.

    feature_sets: raw features of IN-1K and L1 to L5 by name, all by one encoder.
    """
    results = []
    for level, data in feature_sets.items():
        X, X_test = l2_normalize(data.X), l2_normalize(data.X_test)
        for n in config.shots if shots is None else shots:
            for seed in config.seeds:
                generator = torch.Generator().manual_seed(seed)
                lr, wd = search(X, data.y, n, config, generator)
                few = sample(X, data.y, n, generator)
                top1 = fit(
                    FeatureSet(*few, X_test, data.y_test), lr, wd, config, generator
                )
                results.append(Result(level, n, seed, lr, wd, top1))
    return results
