"""ELo: many self-supervised tasks at once, their weights found by evolution.

Paper:    Piergiovanni, Angelova & Ryoo, "Evolving Losses for Unsupervised Video
          Representation Learning", CVPR 2020, arXiv 2002.12177
Differs:  1. modalities are those that a clip holds: colour, grey and the difference of
             frames; the paper has optical flow and audio too
          2. four tasks per modality: reconstruction, future frames, order, agreement
             with another modality; the paper's list is longer
          3. networks are small 3-D ResNets, and distillation looks at their pooled last
             maps; the paper also chooses the layer
          4. distillation moves the colour network alone: with a gradient to both, zero
             everywhere would be the cheapest way to agree
          5. the size of population and tournament, and a mutation of one weight at a
             time, are our choice (unverified); the clusters are ranked by their share
Checked:  no official code. `zipf_kl` and `elo_total_loss` against two independent
          computations each, 1e-5 and 1e-4

Shapes:   B clips, M modalities, T tasks, D features, N videos, k clusters, G weights
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls.colorization import kmeans
from reference_impls.cubic_puzzles import ResNet3d, Stem

MODALITIES = {"rgb": 3, "grey": 1, "difference": 3}  # name and channels; rgb is kept
STEM = Stem()
TASKS = ("reconstruct", "future", "order", "agree")


@dataclass(frozen=True)
class Config:
    """One network per modality, on a clip that is seen and one that is to come."""

    frames: int = 64               # half seen, half future (unverified)
    img_size: int = 224
    widths: tuple[int, ...] = (64, 128, 256, 512)
    depths: tuple[int, ...] = (2, 2, 2, 2)
    stem: Stem = STEM
    dim: int = 128                 # of the embedding that modalities agree in
    margin: float = 1.0            # of agreement (unverified)
    clusters: int = 400            # k (unverified)
    zipf: float = 1.0              # s (unverified)


TINY = Config(
    frames=16, img_size=32, widths=(16, 32), depths=(1, 1), dim=32, clusters=4,
    stem=Stem(kernel=(3, 3, 3), stride=(1, 2, 2), pool=(1, 1, 1)),
)


# Modalities and the clips they come from (Sec. 3.1)


class Batch(NamedTuple):
    clips: Tensor     # (B, 3, frames, S, S) in [0, 1]: seen, then future
    shuffled: Tensor  # (B, frames / 2) long: an order of the seen frames
    in_order: Tensor  # (B,) 1 where that order is the true one


def clip_views(clips: Tensor, generator: Generator, config: Config = TINY) -> Batch:
    """A stretch of each clip, and an order of its frames, the true one for half."""
    sizes = (config.frames, config.img_size, config.img_size)
    if any(g < size for g, size in zip(clips.shape[2:], sizes, strict=True)):
        raise ValueError(
            f"clips of shape {tuple(clips.shape)}; give (B, 3, T, H, W) with at least "
            f"{sizes[0]} frames of {sizes[1]}x{sizes[2]}"
        )
    out = []
    for clip in clips:                                     # (3, T, H, W)
        place = torch.rand(3, generator=generator, device=generator.device)
        for dim, (size, u) in enumerate(zip(sizes, place, strict=True), start=1):
            clip = clip.narrow(dim, int(u * (clip.shape[dim] - size + 1)), size)
        out.append(clip)
    B, seen = len(clips), config.frames // 2
    noise = torch.rand(B, seen, generator=generator, device=generator.device)
    true = torch.arange(seen, device=generator.device)
    in_order = torch.arange(B, device=generator.device) % 2
    order = torch.where(in_order[:, None] == 1, true, noise.argsort(dim=1))
    return Batch(torch.stack(out), order.to(clips.device), in_order.to(clips.device))


def modality(name: str, clips: Tensor) -> Tensor:
    """(B, 3, T, H, W) in [0, 1] to what one network sees, (B, c, T, H, W)."""
    if name == "rgb":
        return 2 * clips - 1
    if name == "grey":
        return 2 * clips.mean(dim=1, keepdim=True) - 1     # (B, 1, T, H, W)
    if name == "difference":
        return clips.diff(dim=2, append=clips[:, :, -1:])
    raise ValueError(f"modality {name!r}; there are {', '.join(MODALITIES)}")


# The tasks (Sec. 3.2)


def agreement_loss(z: Tensor, other: Tensor, margin: float = 1.0) -> Tensor:
    """Two modalities of a clip near each other, those of two clips a margin apart.

    z, other: (B, D), row i from clip i. Another clip is the next row.
    """
    z, other = F.normalize(z, dim=1), F.normalize(other, dim=1)
    near = (z - other).square().sum(dim=1)                 # (B,)
    far = (z - other.roll(1, dims=0)).square().sum(dim=1)  # (B,)
    return (near + F.relu(margin - far)).mean()            # ()  -- agreement


class Answers(NamedTuple):
    past: Tensor    # (B, c, frames / 2, S, S): what was seen, again
    future: Tensor  # (B, c, frames / 2, S, S): what comes
    order: Tensor   # (B,) logit of "in order"
    z: Tensor       # (B, dim): to agree with other modalities
    pooled: Tensor  # (B, D): the representation


class ModalityNet(nn.Module):
    """An encoder of one modality, and a small head per task."""

    def __init__(self, channels: int, config: Config):
        super().__init__()
        strides = ((1, 1), *[(2, 2)] * (len(config.widths) - 1))
        self.encoder = ResNet3d(
            config.widths, config.depths, channels, [3] * len(config.widths), strides,
            config.stem,
        )
        D, self.channels = self.encoder.width, channels
        t = 2 ** (len(config.widths) - 1)                  # frames per place of a map
        t *= config.stem.stride[0] * config.stem.pool[0]
        s = 2 ** (len(config.widths) - 1)
        s *= config.stem.stride[1] * config.stem.pool[1]
        self.cell = (channels, t, s, s)
        self.past = nn.Conv3d(D, channels * t * s * s, 1)
        self.future = nn.Conv3d(D, channels * t * s * s, 1)
        self.order, self.embed = nn.Linear(D, 1), nn.Linear(D, config.dim)

    def frames(self, cells: Tensor) -> Tensor:
        """A cell of pixels from each place of a map, laid out as a clip."""
        x = cells.unflatten(1, self.cell)                  # (B, c, i, j, l, t, h, w)
        x = x.permute(0, 1, 5, 2, 6, 3, 7, 4)              # (B, c, t, i, h, j, w, l)
        return x.flatten(2, 3).flatten(3, 4).flatten(4, 5)  # (B, c, T, H, W)

    def forward(self, seen: Tensor, shuffled: Tensor) -> Answers:
        """One modality's clip, and the same in some order; (B, c, T, H, W) both."""
        maps = self.encoder(torch.cat([seen, shuffled]))   # (2B, D, t, h, w)
        first, again = maps.chunk(2)
        pooled = first.mean(dim=(2, 3, 4))                 # (B, D)
        order = self.order(again.mean(dim=(2, 3, 4))).squeeze(1)
        return Answers(
            self.frames(self.past(first)), self.frames(self.future(first)), order,
            self.embed(pooled), pooled,
        )


class ELo(nn.Module):
    """A network per modality, and the evolved weights of all their tasks.

    lambdas: (M, T) in [0, 1], lambda_d: (M - 1,), of distillation into the first.
    """

    lambdas: Tensor
    lambda_d: Tensor

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.nets = nn.ModuleDict(
            {name: ModalityNet(c, config) for name, c in MODALITIES.items()}
        )
        M = len(MODALITIES)
        self.register_buffer("lambdas", torch.ones(M, len(TASKS)))
        self.register_buffer("lambda_d", torch.ones(M - 1))

    @property
    def encoder(self) -> nn.Module:
        """What is kept after training: the colour network's."""
        return self.nets["rgb"].get_submodule("encoder")

    def weigh(self, genes: Tensor) -> None:
        """Take all weights from one vector (G,): tasks row by row, distillation."""
        M, T = self.lambdas.shape
        if genes.shape != (M * T + M - 1,):
            raise ValueError(
                f"weights of shape {tuple(genes.shape)}; {M} modalities with {T} tasks "
                f"and {M - 1} distillations have {M * T + M - 1}"
            )
        self.lambdas.copy_(genes[: M * T].view(M, T))
        self.lambda_d.copy_(genes[M * T :])

    def forward(self, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        """Every task of every modality: losses (M, T), and M pooled features (B, D)."""
        past, future = batch.clips.chunk(2, dim=2)         # (B, 3, frames / 2, S, S)
        row = torch.arange(len(past), device=past.device)[:, None]
        mixed = past.transpose(1, 2)[row, batch.shuffled].transpose(1, 2)
        answers = {
            name: net(modality(name, past), modality(name, mixed))
            for name, net in self.nets.items()
        }
        losses = []
        for name, a in answers.items():
            other = answers["grey" if name == "rgb" else "rgb"].z
            losses += [
                F.mse_loss(a.past, modality(name, past)),      # -- reconstruction
                F.mse_loss(a.future, modality(name, future)),  # -- future
                F.binary_cross_entropy_with_logits(
                    a.order, batch.in_order.to(a.order)
                ),                                         # -- order
                agreement_loss(a.z, other, self.config.margin),
            ]
        per_task = torch.stack(losses)                     # (M T,)
        return per_task.view(self.lambdas.shape), [a.pooled for a in answers.values()]


# The loss (Eq. 1 and 2)


def distillation(main: Tensor, aux: Tensor) -> Tensor:
    """Euclidean distance of two networks' activations of one shape, a scalar."""
    return torch.linalg.vector_norm(main - aux)            # ()  -- distillation


def elo_total_loss(
    task_losses: Tensor,
    lambdas: Tensor,
    main_acts: Sequence[Tensor] | Tensor,
    aux_acts: Sequence[Tensor] | Tensor,
    lambda_d: Tensor,
) -> Tensor:
    """All tasks and all distillations, each by its weight.

    task_losses, lambdas: (M, T). main_acts and aux_acts: the main network's activations
    and another modality's of the same shape, as many of each as lambda_d has weights.
    """
    if task_losses.shape != lambdas.shape:
        raise ValueError(
            f"losses {tuple(task_losses.shape)} and weights {tuple(lambdas.shape)} "
            "differ; both are (M, T)"
        )
    if not len(main_acts) == len(aux_acts) == len(lambda_d):
        raise ValueError(
            f"{len(main_acts)} main and {len(aux_acts)} other activations with "
            f"{len(lambda_d)} weights; give as many of each"
        )
    total = (lambdas * task_losses).sum()                  # -- tasks
    for weight, main, aux in zip(lambda_d, main_acts, aux_acts, strict=True):
        total = total + weight * distillation(main, aux)   # -- total
    return total


# Fitness without labels (Sec. 3.4)


def closeness(x: Tensor, centroids: Tensor) -> Tensor:
    """-|x - c|^2 but for |x|^2, which says nothing about which c is near. To (N, k)."""
    return torch.addmm(-centroids.square().sum(dim=1), x, centroids.T, alpha=2)


def cluster_shares(x: Tensor, centroids: Tensor) -> Tensor:
    """p(c): how much of the data each cluster softly holds. (N, D), (k, D) to (k,)."""
    if x.ndim != 2 or x.shape[1:] != centroids.shape[1:]:
        raise ValueError(
            f"features {tuple(x.shape)} and centroids {tuple(centroids.shape)}; give "
            "(N, D) and (k, D)"
        )
    near = closeness(x, centroids)                         # (N, k)
    return near.softmax(dim=1).mean(dim=0)                 # (k,)  -- p(c)


def zipf(k: int, s: float, like: Tensor) -> Tensor:
    """q: the i-th largest of k clusters holds 1 / i^s, divided by their sum. (k,)."""
    rank = torch.arange(1, k + 1, dtype=like.dtype, device=like.device)
    return rank.pow(-s) / rank.pow(-s).sum()               # (k,)  -- q(c)


def zipf_kl(
    x: Tensor, centroids: Tensor, s: float = 1.0, sort: bool = True
) -> Tensor:
    """KL(p || q) of the clusters' shares and Zipf's law; 0 is the best there is.

    A judgement of features for the search, not a loss to train with. Normalise x first:
    the softmax takes distances as they are. `sort` ranks clusters by their share.
    """
    p = cluster_shares(x, centroids)                       # (k,)
    if sort:
        p = p.sort(descending=True).values                 # (k,)  -- ranked
    q = zipf(len(p), s, p)                                 # (k,)
    return (torch.xlogy(p, p) - p * q.log()).sum()         # ()  -- KL


# Evolution (Sec. 3.3)

Fitness = Callable[[Tensor], float]  # of weights (G,); more is better


class Found(NamedTuple):
    genes: Tensor         # (G,) in [0, 1], the best
    fitness: float
    history: list[float]  # the best so far behind each evaluation


def random_search(
    fitness: Fitness, genes: int, budget: int, generator: Generator
) -> Found:
    """The baseline: draw weights at random, keep the best."""
    drawn = torch.rand(budget, genes, generator=generator)
    return best_of([(g, fitness(g)) for g in drawn])


def evolve(
    fitness: Fitness,
    genes: int,
    budget: int,
    generator: Generator,
    population: int = 16,
    tournament: int = 4,
) -> Found:
    """Tournament selection: of a few, the best has a child and the worst makes room.

    A child is its parent with one weight drawn anew. `budget` counts evaluations.
    """
    if not 2 <= tournament <= population <= budget:
        raise ValueError(
            f"tournament {tournament}, population {population}, budget {budget}; must "
            "grow in this order, from 2"
        )
    start = torch.rand(population, genes, generator=generator)
    tried = [(g, fitness(g)) for g in start]
    alive = list(tried)
    for _ in range(budget - population):
        chosen = torch.randperm(population, generator=generator)[:tournament].tolist()
        chosen.sort(key=lambda i: alive[i][1])             # -- tournament
        child = alive[chosen[-1]][0].clone()               # (G,)  -- parent
        gene = int(torch.randint(genes, (), generator=generator))
        child[gene] = torch.rand((), generator=generator)  # -- mutation
        tried.append((child, fitness(child)))
        alive[chosen[0]] = tried[-1]                       # -- replaced
    return best_of(tried)


def best_of(tried: list[tuple[Tensor, float]]) -> Found:
    """The fittest of all that were tried, in the order they were."""
    genes, score = max(tried, key=lambda one: one[1])
    return Found(genes, score, list(accumulate((s for _, s in tried), max)))


# Training, and judging what was trained


def build(config: Config = TINY) -> ELo:
    return ELo(config)


def training_step(
    model: ELo, batch: Batch, step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss with the model's weights. Watched: each task, over modalities."""
    task_losses, (main, *others) = model(batch)            # (M, T), M times (B, D)
    loss = elo_total_loss(
        task_losses, model.lambdas, [main] * len(others),
        [aux.detach() for aux in others],                  # -- into the main network
        model.lambda_d,
    )
    means = dict(zip(TASKS, task_losses.mean(dim=0).tolist(), strict=True))
    return loss, {"loss": loss.item(), **means}


@torch.no_grad()
def judge(model: ELo, clips: Tensor, generator: Generator) -> float:
    """Fitness of a trained model: minus `zipf_kl` of its unit features of many clips.

    clips: (N, 3, T, H, W) in [0, 1]; needs no labels.
    """
    x = F.normalize(model.encoder(modality("rgb", clips)).mean(dim=(2, 3, 4)), dim=1)
    k = min(model.config.clusters, len(x))
    centroids = kmeans(x, k, generator)                    # (k, D)
    return -zipf_kl(x, centroids, model.config.zipf).item()  # -- fitness
