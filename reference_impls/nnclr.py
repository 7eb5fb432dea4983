"""NNCLR: an image's positive is its nearest neighbour among the images seen before.

Paper:    Dwibedi et al., "With a Little Help from My Friends: Nearest-Neighbor
          Contrastive Learning of Visual Representations", ICCV 2021, arXiv 2104.14548
Differs:  1. `build` takes a ViT as encoder; the paper's is a ResNet-50. `NNCLR` itself
             takes any module from images to (B, width)
          2. views are BYOL's, as `byol` makes them, which is what solo-learn trains
             with; the paper's own are not checked
          3. the negatives and the support set come from all processes; solo-learn does
             the same, lightly's `NNMemoryBankModule` by default keeps one set each
          4. one process: the paper's batch norm over all devices is the caller's
             (`nn.SyncBatchNorm`)
          5. lightly's example gives neighbours and predictions to SimCLR's loss, which
             also pushes neighbours apart; this is the paper's loss
Checked:  vturrisi/solo-learn@9187ea3 (there is no official code): loss, gradients and
          support set to 1e-9, neighbours exactly; lightly 1.6.0 finds the same ones

Shapes:   B images, W processes, D projection width, K rows of the support set
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls import byol
from reference_impls.simclr import contrastive_accuracy, gather, own_rows
from reference_impls.vit import ViT, patch_tokens


@dataclass(frozen=True)
class Config:
    """The paper's recipe, and the ViT that `build` makes."""

    dim: int = 256              # D (unverified)
    proj_hidden: int = 2048     # (unverified)
    pred_hidden: int = 4096     # (unverified)
    queue_size: int = 98304     # K (unverified)
    temperature: float = 0.1    # tau (unverified)
    batch: int = 4096           # (unverified)
    epochs: int = 1000          # (unverified)
    lr: float = 0.3             # times batch / 256; LARS, cosine (unverified)
    weight_decay: float = 1e-6  # (unverified)
    img_size: int = 224
    patch_size: int = 16
    width: int = 384
    depth: int = 12
    heads: int = 6


TINY = Config(
    dim=32, proj_hidden=256, pred_hidden=256, queue_size=512, batch=32, img_size=64,
    patch_size=8, width=192, depth=6, heads=6,
)


# The support set Q (Sec. 3.2)


def nearest_neighbours(z: Tensor, queue: Tensor) -> Tensor:
    """The row of the support set nearest to each projection (Eq. 2).

    z: (B, D), of any length; queue: (K, D), rows of unit length, for which the largest
    dot product is the smallest distance. Returns indices (B,).
    """
    with torch.no_grad(), torch.autocast(z.device.type, enabled=False):
        cosines = z.to(queue.dtype) @ queue.T             # (B, K)
        return cosines.argmax(dim=1)                      # (B,)  -- NN(z, Q)


class NNQueue(nn.Module):
    """The last K projections: a ring of rows of unit length, random at first."""

    queue: Tensor
    queue_ptr: Tensor

    def __init__(self, size: int, dim: int):
        super().__init__()
        self.register_buffer("queue", F.normalize(torch.randn(size, dim), dim=1))
        self.register_buffer("queue_ptr", torch.zeros(1, dtype=torch.long))

    def nearest(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) to each row's neighbour: its place (B,) and itself (B, D)."""
        index = nearest_neighbours(z, self.queue)
        return index, self.queue[index]

    @torch.no_grad()
    def enqueue(self, z: Tensor) -> None:
        """The projections of all processes in place of the oldest rows. z: (B, D)."""
        size = len(self.queue)
        z = F.normalize(gather(z.detach()), dim=1).to(self.queue)  # (W B, D)
        if len(z) > size:
            raise ValueError(
                f"{len(z)} projections do not fit in a support set of {size}; make it "
                "hold several batches"
            )
        rows = torch.arange(len(z), device=z.device) + self.queue_ptr
        self.queue[rows % size] = z                               # -- oldest replaced
        self.queue_ptr[0] = (self.queue_ptr[0] + len(z)) % size   # -- pointer


# The loss (Eq. 3, Algorithm 1)


def neighbour_contrast(nn: Tensor, p: Tensor, temperature: float = 0.1) -> Tensor:
    """Pick, for each neighbour, the prediction of the other view out of the batch.

    nn: (B, D), unit length; p: (B, D). The candidates are predictions alone: neither
    neighbours nor projections are negatives.
    """
    p = gather(F.normalize(p, dim=1))                             # (W B, D)
    logits = nn @ p.T / temperature                               # (B, W B)
    return F.cross_entropy(logits, own_rows(nn))                  # ()  -- L_i


def nnclr_loss(
    z1: Tensor,
    z2: Tensor,
    p1: Tensor,
    p2: Tensor,
    queue: Tensor,
    temperature: float = 0.1,
) -> Tensor:
    """Each view's neighbour against the other view's prediction, mean of both ways.

    z1, z2, p1, p2: (B, D), not normalised; queue: (K, D), rows of unit length, from
    before this batch. No gradient reaches z1, z2 or the queue.
    """
    if not z1.shape == z2.shape == p1.shape == p2.shape or z1.ndim != 2:
        raise ValueError(
            f"projections {tuple(z1.shape)}, {tuple(z2.shape)} and predictions "
            f"{tuple(p1.shape)}, {tuple(p2.shape)} must have one shape (B, D)"
        )
    if queue.ndim != 2 or queue.shape[1] != z1.shape[1]:
        raise ValueError(
            f"support set {tuple(queue.shape)} must be (K, {z1.shape[1]}), a row per "
            "projection; transpose it if it has them as columns"
        )
    if temperature <= 0:
        raise ValueError(f"temperature {temperature} must be above 0")
    B = len(z1)
    index = nearest_neighbours(torch.cat([z1, z2]), queue)        # (2B,)  both at once
    # Cosines divided by a small tau do not survive half precision.
    with torch.autocast(z1.device.type, enabled=False):
        dtype = torch.promote_types(p1.dtype, torch.float32)
        nn1, nn2 = queue[index].detach().to(dtype).split(B)       # (B, D)  -- positives
        p1, p2 = p1.to(dtype), p2.to(dtype)
        one_way = neighbour_contrast(nn1, p2, temperature)
        other_way = neighbour_contrast(nn2, p1, temperature)
        return (one_way + other_way) / 2                          # ()  -- symmetrised


# The network (Sec. 4.1)


def projector(width: int, hidden: int, dim: int) -> nn.Sequential:
    """Three layers, batch norm on each, no ReLU on the last."""
    return nn.Sequential(
        nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(),
        nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.ReLU(),
        nn.Linear(hidden, dim), nn.BatchNorm1d(dim),
    )


def predictor(dim: int, hidden: int) -> nn.Sequential:
    """Two layers, no batch norm on the output."""
    return nn.Sequential(
        nn.Linear(dim, hidden), nn.BatchNorm1d(hidden), nn.ReLU(),
        nn.Linear(hidden, dim),
    )


class NNCLR(nn.Module):
    """Encoder and projector f, predictor g, and the support set; no moving average.

    encoder: any module from images to (B, width).
    """

    def __init__(
        self,
        encoder: nn.Module,
        width: int,
        dim: int = 256,
        proj_hidden: int = 2048,
        pred_hidden: int = 4096,
        queue_size: int = 98304,
        temperature: float = 0.1,
    ):
        super().__init__()
        self.temperature = temperature
        self.encoder = encoder
        self.projector = projector(width, proj_hidden, dim)
        self.predictor = predictor(dim, pred_hidden)
        self.support = NNQueue(queue_size, dim)

    def forward(self, x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Two views of one batch to (z1, z2, p1, p2), each (B, D)."""
        z1, z2 = (self.projector(self.encoder(x)) for x in (x1, x2))  # (B, D)  -- f
        p1, p2 = self.predictor(z1), self.predictor(z2)               # (B, D)  -- g
        return z1, z2, p1, p2


# Training


def views(images: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """BYOL's two distributions of views: (B, 3, H, W) in [0, 1] to two (B, 3, H, H)."""
    return byol.views(images, generator)


def build(config: Config = TINY) -> NNCLR:
    """A whole training model around a ViT whose class token is the representation."""
    c = config
    encoder = ViT(c.img_size, c.patch_size, c.width, c.depth, c.heads)
    return NNCLR(
        encoder, c.width, c.dim, c.proj_hidden, c.pred_hidden, c.queue_size,
        c.temperature,
    )


def training_step(
    model: NNCLR, batch: tuple[Tensor, Tensor], step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss; then the first view joins the support set.

    Watch `accuracy`, how often a prediction is closest to its own other view: 1/B by
    chance.
    """
    z1, z2, p1, p2 = model(*batch)
    loss = nnclr_loss(z1, z2, p1, p2, model.support.queue, model.temperature)
    model.support.enqueue(z1)                             # -- after the look-up
    return loss, {"loss": loss.item(), "accuracy": contrastive_accuracy(p1, z2)}


def features(model: NNCLR, images: Tensor) -> Tensor:
    """Patch tokens of the encoder. images: (B, 3, H, W), normalised; (B, N, width)."""
    return patch_tokens(model.encoder, images)
