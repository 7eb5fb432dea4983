"""MoCo: a queue of keys from a slowly moving encoder is a large, consistent dictionary.

Paper:    He et al., "Momentum Contrast for Unsupervised Visual Representation
          Learning", CVPR 2020, arXiv 1911.05722; version 2: Chen et al., "Improved
          Baselines with Momentum Contrastive Learning", arXiv 2003.04297 (2020)
Differs:  1. `build` takes a ViT as encoder; the paper's is a ResNet-50. `MoCo` itself
             takes any network that ends in `fc` or `head`
          2. on one process the batch is not shuffled: there is no second batch norm to
             cheat with
          3. `moco_info_nce` reads the queue in blocks and never holds all logits; the
             same numbers as the cross-entropy of `MoCo.forward`
          4. the queue's length need not be a multiple of the batch, as upstream's must:
             what does not fit behind its end goes to its beginning
          5. crops, colours and blur are those of `simclr`, with what differs there
Checked:  facebookresearch/moco@7d22d72: logits, loss, queue and weights over three and
          five steps to 1e-9; solo-learn@9187ea3: loss and gradient to 1e-9

Shapes:   B images, W processes, D embedding width, K keys in the queue
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls.simclr import Augmentation, gather, rank_and_world, two_views
from reference_impls.vit import ViT, patch_tokens


@dataclass(frozen=True)
class Config:
    """Version 2 on ImageNet for 200 epochs; where version 1 differs, it is said."""

    dim: int = 128                 # D
    K: int = 65536                 # keys in the queue
    m: float = 0.999               # of the key encoder
    T: float = 0.2                 # temperature; 0.07 in version 1
    mlp: bool = True               # a hidden layer in the head; False in version 1
    batch: int = 256
    epochs: int = 200
    lr: float = 0.03               # SGD, cosine; in version 1 a tenth at 120 and 160
    weight_decay: float = 1e-4
    img_size: int = 224
    patch_size: int = 16
    width: int = 384
    depth: int = 12
    heads: int = 6


TINY = Config(
    dim=64, K=1024, m=0.97, batch=32, img_size=64, patch_size=8, width=192, depth=6,
    heads=6,
)


# Two views: those of version 2, which added the blur

VIEW = Augmentation(
    area=(0.2, 1.0), brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1
)


def views(images: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Query and key view of a batch: (B, 3, H, W) in [0, 1] to two (B, 3, H, H)."""
    return two_views(images, generator, VIEW)


# The loss (Eq. 1)


def moco_info_nce(
    q: Tensor,
    k: Tensor,
    queue: Tensor,
    temperature: float = 0.07,
    normalize: bool = True,
    block: int = 8192,
) -> Tensor:
    """Pick the key of one's own image among K keys of other images: a scalar.

    q, k: (B, D), brought to unit length by `normalize`. queue: (D, K), unit columns.
    No gradient reaches k or the queue. block: keys that are looked at together, so
    that their logits stay in the cache.
    """
    if q.shape != k.shape or len(queue) != q.shape[1]:
        raise ValueError(
            f"queries {tuple(q.shape)} and keys {tuple(k.shape)} are both (B, D), the "
            f"queue (D, K); it is {tuple(queue.shape)}"
        )
    if temperature <= 0:
        raise ValueError(f"temperature {temperature} must be above 0")
    # Cosines divided by a small temperature do not survive half precision.
    with torch.autocast(q.device.type, enabled=False):
        dtype = torch.promote_types(q.dtype, torch.float32)
        q, k, queue = q.to(dtype), k.detach().to(dtype), queue.detach().to(dtype)
        if normalize:
            q, k = F.normalize(q, dim=1), F.normalize(k, dim=1)
        q = q / temperature
        positive = (q * k).sum(dim=1)                           # (B,)  -- l_pos
        parts = [positive]
        for keys in queue.split(block, dim=1):
            parts.append((q @ keys).logsumexp(dim=1))           # (B,)  -- l_neg
        everything = torch.stack(parts).logsumexp(dim=0)        # (B,)  -- denominator
        return (everything - positive).mean()                   # ()  -- InfoNCE


# The two encoders and the queue (Sec. 3.2, Algorithm 1)


def last_layer(network: nn.Module) -> str:
    """What a network calls its last layer: `fc` (ResNets) or `head` (ViTs)."""
    for name in ("fc", "head"):
        if hasattr(network, name):
            return name
    raise ValueError("the encoder must end in a linear layer called `fc` or `head`")


class MoCo(nn.Module):
    """Query encoder, key encoder (its moving average), and a queue of keys.

    base_encoder: builds a network that ends in `fc` or `head`, a Linear to the given
    width. mlp: one hidden layer in front of it (version 2).
    """

    queue: Tensor
    queue_ptr: Tensor

    def __init__(
        self,
        base_encoder: Callable[[int], nn.Module],
        dim: int = 128,
        K: int = 65536,
        m: float = 0.999,
        T: float = 0.07,
        mlp: bool = False,
    ):
        super().__init__()
        self.K, self.m, self.T = K, m, T
        self.encoder_q = base_encoder(dim)
        if mlp:
            name = last_layer(self.encoder_q)
            last = getattr(self.encoder_q, name)
            hidden = nn.Linear(last.in_features, last.in_features)
            setattr(self.encoder_q, name, nn.Sequential(hidden, nn.ReLU(), last))
        self.encoder_k = copy.deepcopy(self.encoder_q).requires_grad_(False)
        self.register_buffer("queue", F.normalize(torch.randn(dim, K), dim=0))
        self.register_buffer("queue_ptr", torch.zeros(1, dtype=torch.long))

    @property
    def encoder(self) -> nn.Module:
        """What is kept after training: the query encoder, without its last layer."""
        return self.encoder_q

    @torch.no_grad()
    def momentum_update(self) -> None:
        """The key encoder follows (Eq. 2). Batch statistics are each encoder's own."""
        theta_k, theta_q = self.encoder_k.parameters(), self.encoder_q.parameters()
        for slow, fast in zip(theta_k, theta_q, strict=True):
            slow.lerp_(fast, 1 - self.m)                        # -- moving average

    @torch.no_grad()
    def dequeue_and_enqueue(self, keys: Tensor) -> None:
        """All processes' keys, (B, D) each, take the places of the oldest."""
        keys = gather(keys).to(self.queue.dtype)                # (W B, D)
        if len(keys) > self.K:
            raise ValueError(
                f"{len(keys)} keys a step do not fit in a queue of {self.K}; choose K "
                "larger than the whole batch"
            )
        places = self.queue_ptr + torch.arange(len(keys), device=keys.device)
        self.queue[:, places % self.K] = keys.T                 # -- enqueue
        self.queue_ptr[0] = (places[-1] + 1) % self.K           # -- pointer

    @torch.no_grad()
    def keys(self, x: Tensor) -> Tensor:
        """Unit keys (B, D) of this process's images, computed wherever they land.

        Batch statistics of one device would tell which keys belong to which queries;
        so keys are computed in a shuffled order over all devices (Sec. 3.3).
        """
        rank, world = rank_and_world()
        if world == 1:
            return F.normalize(self.encoder_k(x), dim=1)        # (B, D)  -- k
        order = torch.randperm(world * len(x), device=x.device)
        dist.broadcast(order, src=0)                            # one order for all
        mine = order.chunk(world)[rank]                         # (B,)
        x = gather(x)[mine]                                     # -- shuffle
        k = gather(F.normalize(self.encoder_k(x), dim=1))       # (W B, D)
        return k[order.argsort()].chunk(world)[rank]            # (B, D)  -- unshuffle

    def forward(self, x_q: Tensor, x_k: Tensor) -> tuple[Tensor, Tensor]:
        """Two views to logits (B, 1 + K), the own key first, and labels (B,), all 0.

        Moves the key encoder before it is used and the queue after it was read.
        """
        q = F.normalize(self.encoder_q(x_q), dim=1)             # (B, D)  -- q
        self.momentum_update()                                  # -- before the keys
        k = self.keys(x_k)                                      # (B, D)
        with torch.autocast(q.device.type, enabled=False):
            q, k = q.to(self.queue.dtype), k.to(self.queue.dtype)
            positive = (q * k).sum(dim=1, keepdim=True)         # (B, 1)
            negatives = q @ self.queue.clone()                  # (B, K)  -- old keys
            logits = torch.cat([positive, negatives], 1) / self.T  # (B, 1+K)  -- logits
        self.dequeue_and_enqueue(k)                             # -- after the logits
        return logits, torch.zeros(len(q), dtype=torch.long, device=q.device)


# Training


def build(config: Config = TINY) -> MoCo:
    """A whole training model around a ViT whose class token is the representation."""

    def base_encoder(dim: int) -> ViT:
        encoder = ViT(
            config.img_size, config.patch_size, config.width, config.depth, config.heads
        )
        encoder.head = nn.Linear(config.width, dim)
        return encoder

    return MoCo(base_encoder, config.dim, config.K, config.m, config.T, config.mlp)


def training_step(
    model: MoCo, batch: tuple[Tensor, Tensor], step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss, and what to watch: how often the own key beats the queue."""
    logits, labels = model(*batch)
    loss = F.cross_entropy(logits, labels)
    accuracy = (logits.argmax(dim=1) == labels).double().mean().item()
    return loss, {"loss": loss.item(), "accuracy": accuracy}


def features(model: MoCo, images: Tensor) -> Tensor:
    """Patch tokens of the query encoder. images: (B, 3, H, W), normalised.

    Returns (B, N, width).
    """
    return patch_tokens(model.encoder, images)
