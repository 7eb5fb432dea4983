"""SwAV: predict, from one view, the cluster that another view is assigned to.

Paper:    Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster
          Assignments", NeurIPS 2020, arXiv 2006.09882
Differs:  1. `build` takes a ViT as encoder; the paper's is a ResNet-50. `SwAV` itself
             takes any module from images to (B, width)
          2. Sinkhorn-Knopp keeps the matrix and moves its two scales; upstream divides
             the matrix again and again. Each row's largest score comes off first, so
             that no exponential overflows or leaves a row without any
          3. the queue is read once its last row is filled, as upstream; that it starts
             at epoch 15 is the caller's (`queue_epoch`)
          4. the queue is this process's own, and batch norm over all devices the
             caller's (`nn.SyncBatchNorm`); the assignments are shared by all processes
          5. crops are made by `simclr`'s augmentations, with what differs there; local
             ones are 3/7 of the image's side (96 of 224), cut to a multiple of 8
Checked:  facebookresearch/swav@06b1b7c main_swav.py: codes, loss, gradients, prototypes
          and queue over three steps to 1e-8; lightly 1.6.0 agrees

Shapes:   B images, V crops (the first ones large), K prototypes, D projection width,
          L rows of the queue, M rows to assign (B, or L + B)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls.simclr import Augmentation, augment, normalize, rank_and_world
from reference_impls.vit import ViT, patch_tokens


@dataclass(frozen=True)
class Config:
    """The repository's 800-epoch recipe, and the ViT that `build` makes."""

    prototypes: int = 3000         # K
    dim: int = 128                 # D
    hidden: int = 2048             # of the projection head
    temperature: float = 0.1       # tau
    epsilon: float = 0.05          # smoothness of the codes; 0.03 if they collapse
    n_iters: int = 3               # of Sinkhorn-Knopp
    n_local: int = 6
    freeze_epochs: int = 1         # before the prototypes move
    queue_length: int = 0          # L; 3840 at batch 256
    queue_epoch: int = 15          # when the queue joins
    batch: int = 4096
    epochs: int = 800
    warmup_epochs: int = 10
    lr: float = 4.8                # LARS, cosine to a thousandth; 0.6 at batch 256
    weight_decay: float = 1e-6
    img_size: int = 224
    patch_size: int = 16
    width: int = 384
    depth: int = 12
    heads: int = 6


TINY = Config(
    prototypes=64, dim=64, hidden=256, n_local=2, queue_length=128, epochs=8,
    batch=32, img_size=64, patch_size=8, width=192, depth=6, heads=6,
)


# Multi-crop (Sec. 3.2)

GLOBAL = Augmentation(area=(0.14, 1.0))
LOCAL = replace(GLOBAL, area=(0.05, 0.14))


def views(
    images: Tensor, generator: Generator, n_local: int = TINY.n_local
) -> list[Tensor]:
    """Two large crops of each image, then `n_local` small ones of small areas.

    images: (B, 3, H, W) in [0, 1]. Returns 2 of (B, 3, H, H) and n_local of
    (B, 3, S, S), normalised.
    """
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[-2] < 24:
        raise ValueError(
            f"images of shape {tuple(images.shape)}; views takes (B, 3, H, W) in "
            "[0, 1] with H at least 24, so that a local crop holds a patch"
        )
    side = images.shape[-2]
    small = side * 3 // 7 // 8 * 8
    crops = [augment(images, GLOBAL, side, generator) for _ in range(2)]  # -- global
    crops += [
        augment(images, LOCAL, small, generator) for _ in range(n_local)
    ]                                                                     # -- local
    return [normalize(crop) for crop in crops]


# Codes (Sec. 3.1, Eq. 3 to 5)


def over_processes(x: Tensor, largest: bool = False) -> Tensor:
    """The sum of all processes' tensors, or the largest; x itself on one."""
    if rank_and_world()[1] > 1:
        dist.all_reduce(x, dist.ReduceOp.MAX if largest else dist.ReduceOp.SUM)
    return x                                                      # -- shared


@torch.no_grad()
def sinkhorn_knopp(
    scores: Tensor, epsilon: float = 0.05, n_iters: int = 3
) -> Tensor:
    """Soft assignments that use all prototypes alike: Q* = Diag(v) exp(s/eps) Diag(u).

    scores: (M, K), cosines to the prototypes. Returns codes (M, K): every row sums to
    1 and, after enough turns, every column to M/K. With several processes the columns
    run over everybody's rows.
    """
    if epsilon <= 0 or n_iters < 1:
        raise ValueError(
            f"epsilon {epsilon} must be above 0 and n_iters {n_iters} at least 1"
        )
    with torch.autocast(scores.device.type, enabled=False):
        logits = scores.to(torch.promote_types(scores.dtype, torch.float32)) / epsilon
        highest = logits.amax(dim=1)                              # (M,)
        # Minus infinity beside them, for a process that has no rows.
        top = F.pad(highest, (0, 1), value=-torch.inf).max()      # ()
        top = over_processes(top, largest=True)
        kernel = logits.sub_(highest[:, None]).exp_()             # (M, K)  -- kernel
        # Below this a prototype is nobody's; the inverses of K such do not overflow.
        floor = torch.finfo(kernel.dtype).tiny * 2**20
        samples = torch.exp(highest - top)                        # (M,)  what came off
        for _ in range(n_iters):
            columns = over_processes(samples @ kernel)            # (K,)
            prototypes = 1 / columns.clamp(min=floor)             # (K,)  -- prototypes
            samples = 1 / (kernel @ prototypes)                   # (M,)  -- samples
        codes = kernel.mul_(samples[:, None]).mul_(prototypes)    # (M, K)  -- Q
        return codes.to(scores.dtype)


# The loss (Eq. 1, 2 and 6)


def swav_loss(
    scores: Tensor | Sequence[Tensor],
    batch: int,
    crops_for_assign: Sequence[int] = (0, 1),
    temperature: float = 0.1,
    epsilon: float = 0.05,
    n_iters: int = 3,
    queue_scores: Sequence[Tensor] | None = None,
) -> Tensor:
    """Cross-entropy of each crop to the codes of the others, mean over the pairs.

    scores: (V*B, K), crop by crop, or V of (B, K); queue_scores: for each crop that
    gives codes (L, K), which take part in the assignment alone.
    """
    crops = scores.split(batch) if isinstance(scores, Tensor) else tuple(scores)
    V, sizes = len(crops), [len(crop) for crop in crops]
    if V < 2 or set(sizes) != {batch} or not all(0 <= i < V for i in crops_for_assign):
        raise ValueError(
            f"scores of {sizes} rows are not two or more crops of {batch} images with "
            f"codes from crops {tuple(crops_for_assign)}; pass (V*B, K)"
        )
    if queue_scores is not None and len(queue_scores) != len(crops_for_assign):
        raise ValueError(
            f"{len(queue_scores)} queues for {len(crops_for_assign)} crops that give "
            "codes; each has its own"
        )
    if temperature <= 0:
        raise ValueError(f"temperature {temperature} must be above 0")
    log_p = [F.log_softmax(crop / temperature, dim=1) for crop in crops]  # V of (B, K)
    everyone = sum(log_p[1:], log_p[0])                           # (B, K)
    loss = everyone.new_zeros(())
    for n, i in enumerate(crops_for_assign):
        to_assign = crops[i].detach()                             # (B, K)
        if queue_scores is not None:
            to_assign = torch.cat([queue_scores[n], to_assign])   # (L + B, K)  -- queue
        q = sinkhorn_knopp(to_assign, epsilon, n_iters)[-batch:]  # (B, K)  -- codes
        # One code for all crops but its own: their log p can be added up beforehand.
        others = everyone - log_p[i]                              # (B, K)
        loss = loss - (q * others).sum(dim=1).mean()              # -- swapped
    return loss / (len(crops_for_assign) * (V - 1))               # ()  -- mean


def update_queue(queue: Tensor, embeddings: Sequence[Tensor]) -> Tensor:
    """The newest rows in front, the oldest fall off the end. Returns the new queue.

    queue: (assigning crops, L, D), zeros where not yet filled; embeddings: one (B, D)
    for each of these crops.
    """
    new = torch.stack(list(embeddings)).detach().to(queue)        # (crops, B, D)
    return torch.cat([new, queue], dim=1)[:, : queue.shape[1]]    # -- newest in front


def swav_step(
    z: Tensor,
    prototypes: Tensor,
    batch: int,
    queue: Tensor | None = None,
    crops_for_assign: Sequence[int] = (0, 1),
    temperature: float = 0.1,
    epsilon: float = 0.05,
    n_iters: int = 3,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """From projections to the loss, the scores and the queue for the next step.

    z: (V*B, D), not normalised; prototypes: (K, D), rows of unit length (see
    `normalize_rows`); queue: (assigning crops, L, D), read once it is full.
    """
    embeddings = F.normalize(z, dim=1)                            # (V*B, D)  -- sphere
    scores = F.linear(embeddings, prototypes)                     # (V*B, K)  -- scores
    queue_scores = None
    if queue is not None and queue[:, -1].any():                  # full to the last row
        with torch.no_grad():
            queue_scores = F.linear(queue, prototypes).to(scores)  # (crops, L, K)
    loss = swav_loss(
        scores, batch, crops_for_assign, temperature, epsilon, n_iters,
        queue_scores.unbind() if queue_scores is not None else None,
    )
    if queue is not None:
        crops = embeddings.view(-1, batch, z.shape[1])            # (V, B, D)
        queue = update_queue(queue, [crops[i] for i in crops_for_assign])
    return loss, scores, queue


@torch.no_grad()
def normalize_rows(weight: Tensor) -> None:
    """Bring the prototypes back to the sphere, in place, before every forward pass."""
    weight.copy_(F.normalize(weight, dim=1))                      # -- unit prototypes


# The network (Sec. 4.1 and appendix A)


class SwAV(nn.Module):
    """Encoder f, projection head, prototypes and queue: one network, no negatives.

    encoder: any module from images of any of the crops' sizes to (B, width).
    """

    queue: Tensor | None

    def __init__(self, encoder: nn.Module, config: Config = Config()):
        super().__init__()
        self.config = c = config
        self.encoder = encoder
        self.projection_head = nn.Sequential(
            nn.Linear(c.width, c.hidden), nn.BatchNorm1d(c.hidden), nn.ReLU(),
            nn.Linear(c.hidden, c.dim),
        )
        self.prototypes = nn.Linear(c.dim, c.prototypes, bias=False)
        normalize_rows(self.prototypes.weight)
        queue = torch.zeros(2, c.queue_length, c.dim) if c.queue_length else None
        self.register_buffer("queue", queue)

    def forward(self, crops: Sequence[Tensor]) -> Tensor:
        """V crops to projections (V*B, D), crop by crop.

        Neighbours of one size pass the encoder as one batch.
        """
        sizes = groupby(crops, key=lambda crop: crop.shape[-2:])
        h = [self.encoder(torch.cat(list(same))) for _, same in sizes]
        return self.projection_head(torch.cat(h))                 # (V*B, D)  -- z


# Training


def build(config: Config = TINY) -> SwAV:
    """A whole training model around a ViT whose class token is the representation."""
    c = config
    return SwAV(ViT(c.img_size, c.patch_size, c.width, c.depth, c.heads), config)


def training_step(
    model: SwAV, batch: Sequence[Tensor], step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss, and what to watch: see `prototypes_used`."""
    c, weight = model.config, model.prototypes.weight
    normalize_rows(weight)
    moving = step * c.epochs >= steps * c.freeze_epochs
    weight.requires_grad_(moving)                                 # -- frozen at first
    loss, scores, model.queue = swav_step(
        model(batch), weight, len(batch[0]), model.queue, (0, 1),
        c.temperature, c.epsilon, c.n_iters,
    )
    used = prototypes_used(scores, c.temperature)
    return loss, {"loss": loss.item(), "used": used}


@torch.no_grad()
def prototypes_used(scores: Tensor, temperature: float) -> float:
    """How many prototypes a batch's predictions use: 1 in a collapse, at most K.

    scores: (M, K). The codes cannot tell: Sinkhorn-Knopp always spreads them.
    """
    mean = F.softmax(scores.float() / temperature, dim=1).mean(0)  # (K,)
    return torch.special.entr(mean).sum().exp().item()


def features(model: SwAV, images: Tensor) -> Tensor:
    """Patch tokens of the encoder. images: (B, 3, H, W), normalised; (B, N, width)."""
    return patch_tokens(model.encoder, images)
