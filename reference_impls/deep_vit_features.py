"""Deep ViT features: a self-supervised ViT's keys describe parts, with no training.

Paper:    Amir, Gandelsman, Bagon & Dekel, "Deep ViT Features as Dense Visual
          Descriptors", ECCV 2022 workshops, arXiv 2112.05814
Differs:  1. masks end at patches: the official code refines them with GrabCut
          2. saliency is scaled image by image; the official code does so for one image
          3. a best buddy counts when both its ends are salient; `rule="official"` is
             the code's looser test
          4. the sign of a principal component is fixed by its largest entry
          5. own k-means, seeded by k-means++; upstream takes faiss's and scikit-learn's
          6. the network stops at the layer asked for
Checked:  ShirAmir/dino-vit-features@1779649: keys, descriptors, bins, saliency to
          5e-5, best buddies and votes exactly; scikit-learn: PCA to 1e-3

Shapes:   B images, h x w = N patches, T = 1 + N tokens, H heads, d width of a head,
          D = H d, k clusters or components
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from reference_impls.dino import DinoVisionTransformer
from reference_impls.vit import ViT

Facet = Literal["key", "query", "value", "token"]
Grid = tuple[int, int]


@dataclass(frozen=True)
class Config:
    """DINO's ViT-S/8, with the official scripts' settings."""

    img_size: int = 224
    patch_size: int = 8
    width: int = 384
    depth: int = 12
    heads: int = 6
    stride: int = 4                # patches overlap by half
    match_layer: int = 9           # for correspondences, with bins; layers from 0
    part_layer: int = 11           # for clusters and components, without
    saliency_layer: int = 11
    saliency_heads: tuple[int, ...] = (0, 2, 4, 5)
    match_thresh: float = 0.05     # saliency of a matched patch
    num_pairs: int = 10
    part_thresh: float = 0.065     # mean saliency of a cluster in an image
    votes_percentage: float = 75   # of images, for a cluster to be kept
    elbow: float = 0.975
    sample_interval: int = 100     # every how many descriptors k-means learns from
    components: int = 4


TINY = Config(
    img_size=64, width=192, depth=6, match_layer=3, part_layer=5, saliency_layer=5,
    sample_interval=4,
)


def build(config: Config = TINY) -> DinoVisionTransformer:
    """The network whose features are read; it wants DINO's weights."""
    c = config
    return DinoVisionTransformer(c.img_size, c.patch_size, c.width, c.depth, c.heads)


# Descriptors (Sec. 3)


def grid_of(vit: ViT, x: Tensor, stride: int | None = None) -> Grid:
    """Rows and columns of patches, where windows move by `stride` pixels."""
    P = vit.patch_size
    s = stride or P
    if P % s:
        raise ValueError(f"stride {s} does not divide the patch size {P}")
    return 1 + (x.shape[-2] - P) // s, 1 + (x.shape[-1] - P) // s  # -- grid


def overlapping_patches(vit: ViT, x: Tensor, stride: int | None = None) -> Tensor:
    """Tokens of patches that overlap: a finer grid from the same weights.

    x: (B, 3, ., .). Position embeddings are resampled for the grid. Returns (B, T, D).
    """
    grid, proj = grid_of(vit, x, stride), vit.patch_embed.proj
    patches = F.conv2d(x, proj.weight, proj.bias, stride or vit.patch_size)
    patches = patches.flatten(2).transpose(1, 2)           # (B, N, D)  -- overlap
    tokens = torch.cat([vit.cls_token.expand(len(x), -1, -1), patches], dim=1)
    return tokens + vit.positions(grid)                    # (B, T, D)  -- positions


def before(vit: ViT, x: Tensor, layer: int, stride: int | None = None) -> Tensor:
    """What enters a layer, (B, T, D). Layers count from 0."""
    if not 0 <= layer < len(vit.blocks):
        raise ValueError(f"no layer {layer}; the last of this network is "
                         f"{len(vit.blocks) - 1}")
    tokens = overlapping_patches(vit, x, stride)
    for block in vit.blocks[:layer]:
        tokens = block(tokens)
    return tokens


def facet_of(
    vit: ViT,
    x: Tensor,
    layer: int = 9,
    facet: Facet = "key",
    stride: int | None = None,
) -> Tensor:
    """A layer's keys, queries or values, (B, H, T, d), or its output, (B, 1, T, D)."""
    tokens, block = before(vit, x, layer, stride), vit.blocks[layer]
    if facet == "token":
        return block(tokens)[:, None]                      # (B, 1, T, D)
    names = ("query", "key", "value")
    if facet not in names:
        raise ValueError(f"facet {facet!r}; choose from {(*names, 'token')}")
    qkv = block.attn.qkv(block.norm1(tokens))              # (B, T, 3D)
    one = qkv.chunk(3, dim=-1)[names.index(facet)]         # (B, T, D)  -- facet
    return one.unflatten(-1, (block.attn.heads, -1)).transpose(1, 2)  # (B, H, T, d)


def flat(feats: Tensor) -> Tensor:
    """(B, H, N, d) to (B, N, D); the heads of one channel lie side by side."""
    return feats.permute(0, 2, 3, 1).flatten(2)            # (B, N, D)  -- order


def dense_descriptors(
    vit: ViT,
    x: Tensor,
    layer: int = 9,
    facet: Facet = "key",
    bin: bool = False,
    stride: int | None = None,
) -> Tensor:
    """One descriptor for each patch: (B, 1, N, D), or 17 times as wide with bins.

    x: (B, 3, ., .), normalised as the network wants it. stride: None is the patch size.
    """
    feats = facet_of(vit, x, layer, facet, stride)[:, :, 1:]   # (B, H, N, d)
    if bin:
        return log_bin(feats, grid_of(vit, x, stride))
    return flat(feats)[:, None]                            # (B, 1, N, D)


def log_bin(feats: Tensor, grid: Grid, hierarchy: int = 2) -> Tensor:
    """Each patch with its surroundings, coarser the farther away (Sec. 3.2).

    Ring i holds the 8 neighbours at distance 3^i, each a mean over 3^i x 3^i patches;
    at the border the nearest patch stands in. feats: (B, H, N, d). Returns
    (B, 1, N, (1 + 8 hierarchy) D), row by row, the patch itself amid the first ring.
    """
    h, w = grid
    if feats.shape[2] != h * w:
        raise ValueError(
            f"{feats.shape[2]} patches are no grid of {h}x{w}; drop the class token"
        )
    maps = flat(feats).mT.unflatten(2, grid)               # (B, D, h, w)
    y, x = (torch.arange(side, device=feats.device)[:, None] for side in grid)
    around, bins = torch.arange(-1, 2, device=feats.device), []
    for i in range(hierarchy):
        s = 3**i
        mean = F.avg_pool2d(maps, s, 1, s // 2, count_include_pad=False)  # -- mean
        rows = (y + s * around).clamp(0, h - 1)            # (h, 3)
        columns = (x + s * around).clamp(0, w - 1)         # (w, 3)
        patch = rows[:, None, :, None] * w + columns[:, None]  # (h, w, 3, 3)
        patch = patch.view(h * w, 9)                       # (N, 9)  -- neighbours
        if i > 0:
            patch = torch.cat([patch[:, :4], patch[:, 5:]], dim=1)  # (N, 8)
        bins.append(mean.flatten(2).mT.contiguous()[:, patch].flatten(2))
    return torch.cat(bins, dim=2)[:, None]                 # (B, 1, N, 17 D)


# What is foreground


def attention_of(
    vit: ViT, x: Tensor, layer: int = 11, stride: int | None = None
) -> Tensor:
    """A layer's attention weights, (B, H, T, T)."""
    return vit.blocks[layer].attend(before(vit, x, layer, stride))[1]


def saliency(attn: Tensor, heads: Sequence[int] = (0, 2, 4, 5)) -> Tensor:
    """Where the class token looks, 0 to 1 in each image. (B, H, T, T) to (B, N).

    The heads are those of DINO's ViT-S/8 that look at objects.
    """
    if max(heads) >= attn.shape[1]:
        raise ValueError(f"heads {tuple(heads)} of {attn.shape[1]}; choose among them")
    seen = attn[:, list(heads), 0, 1:].mean(dim=1)         # (B, N)  -- class attention
    low, high = seen.aminmax(dim=1, keepdim=True)
    return (seen - low) / (high - low)                     # (B, N)  -- scale


# Correspondences (Sec. 4, "point correspondences")


def similarity(d1: Tensor, d2: Tensor) -> Tensor:
    """Cosines, (N1, D) and (N2, D) to (N1, N2)."""
    return F.normalize(d1, dim=-1) @ F.normalize(d2, dim=-1).mT    # -- cosine


def best_buddies(
    d1: Tensor,
    d2: Tensor,
    fg1: Tensor | None = None,
    fg2: Tensor | None = None,
    rule: Literal["strict", "official"] = "strict",
) -> tuple[Tensor, Tensor]:
    """Pairs that choose each other as nearest neighbours, in the foreground if given.

    d1: (N1, D), d2: (N2, D), fg1: (N1,) and fg2: (N2,) bool. Returns which of the first
    have a buddy, (N1,), and each one's nearest of the second, (N1,). rule: "official"
    asks of image 2 only that some salient patch chose the patch of image 1.
    """
    if d1.ndim != 2 or d2.ndim != 2 or d1.shape[1] != d2.shape[1]:
        raise ValueError(
            f"descriptors {tuple(d1.shape)} and {tuple(d2.shape)}; pass (N1, D) and "
            "(N2, D), for instance descriptors[0, 0]"
        )
    cosines = similarity(d1, d2)                           # (N1, N2)
    nn12, nn21 = cosines.argmax(dim=1), cosines.argmax(dim=0)  # (N1,), (N2,)  -- nn
    mask = nn21[nn12] == torch.arange(len(d1), device=d1.device)  # (N1,)  -- mutual
    if fg1 is not None:
        mask = mask & fg1
    if fg2 is not None and rule == "strict":
        mask = mask & fg2[nn12]                            # (N1,)  -- both salient
    elif fg2 is not None:
        mask = mask & torch.zeros_like(mask).index_fill(0, nn21[fg2], True)
    return mask, nn12


def correspondences(
    d1: Tensor,
    d2: Tensor,
    saliency1: Tensor,
    saliency2: Tensor,
    generator: Generator,
    num_pairs: int = 10,
    thresh: float = 0.05,
) -> tuple[Tensor, Tensor]:
    """A few good pairs, spread over the objects: patches of image 1, and of image 2.

    Best buddies are clustered by both descriptors; of each cluster the most salient
    pair stays. d1: (N1, D), saliency1: (N1,), the same for 2. Returns two (at most
    num_pairs,) of patch numbers; empty where no buddies are salient.
    """
    mask, nn12 = best_buddies(d1, d2, saliency1 > thresh, saliency2 > thresh)
    first = mask.nonzero().squeeze(1)                      # (M,)
    second = nn12[first]                                   # (M,)
    if not len(first):
        return first, second
    pairs = F.normalize(torch.cat([d1[first], d2[second]], dim=1), dim=1)  # (M, 2D)
    centers, _ = kmeans(pairs, min(num_pairs, len(pairs)), generator)
    labels = assign(pairs, centers)                        # (M,)
    rank = (saliency1[first] + saliency2[second]) / 2      # (M,)  -- rank
    chosen = [
        torch.where(labels == label, rank, -math.inf).argmax()
        for label in labels.unique()
    ]
    best = torch.stack(chosen)                             # (k,)  -- most salient
    return first[best], second[best]


def patch_centers(index: Tensor, grid: Grid, patch_size: int, stride: int) -> Tensor:
    """Patch numbers to the pixels in their middle, (..., 2), row first."""
    yx = torch.stack([index // grid[1], index % grid[1]], dim=-1)
    return yx * stride + patch_size // 2                   # -- pixel


# Co-segmentation (Sec. 4, "part co-segmentation" and "co-segmentation")


def assign(x: Tensor, centers: Tensor) -> Tensor:
    """The nearest centre of each row. x: (M, D), centers: (k, D). Returns (M,)."""
    # |x - c|^2 without |x|^2, which is the same for all centres.
    return torch.addmm(centers.square().sum(1), x, centers.mT, alpha=-2).argmin(dim=1)


def nearest(x: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest centre of each row, (M,), and the squared distance to it, (M,)."""
    labels = assign(x, centers)
    return labels, (x - centers[labels]).square().sum(1)


def kmeans(
    x: Tensor, k: int, generator: Generator, restarts: int = 10, iterations: int = 300
) -> tuple[Tensor, Tensor]:
    """Lloyd's algorithm from k-means++ seeds, the best of `restarts`.

    x: (M, D). Returns the centres (k, D) and the mean squared distance to them, ().
    """
    if not 1 <= k <= len(x):
        raise ValueError(f"{k} clusters of {len(x)} points; ask for 1 to {len(x)}")
    found = [lloyd(x, seeds(x, k, generator), iterations) for _ in range(restarts)]
    return min(found, key=lambda result: float(result[1]))


def seeds(x: Tensor, k: int, generator: Generator) -> Tensor:
    """k rows of x, each drawn by its squared distance to the nearest drawn before."""
    weight, rows = torch.ones_like(x[:, 0]), []
    for _ in range(k):
        chance = weight.clamp(min=1e-12).to(generator.device)
        rows.append(torch.multinomial(chance, 1, generator=generator).to(x.device))
        weight = nearest(x, x[torch.cat(rows)])[1]         # (M,)  -- seed
    return x[torch.cat(rows)]                              # (k, D)


def lloyd(x: Tensor, centers: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """Assign, average, and again, until no row changes its centre."""
    labels = assign(x, centers)
    for _ in range(iterations):
        member = F.one_hot(labels, len(centers)).to(x.dtype)       # (M, k)
        counts = member.sum(0)[:, None]                    # (k, 1)
        means = (member.mT @ x) / counts.clamp(min=1)      # (k, D)  -- average
        centers = torch.where(counts > 0, means, centers)
        before, labels = labels, assign(x, centers)        # -- assign
        if torch.equal(before, labels):
            break
    return centers, nearest(x, centers)[1].mean()


def elbow_clusters(
    x: Tensor,
    generator: Generator,
    elbow: float = 0.975,
    sample_interval: int = 1,
    most: int = 14,
) -> tuple[Tensor, int]:
    """Labels (M,) and the number of clusters, the first that hardly helps.

    x: (M, D). Clusters are added until the mean squared distance falls by less than
    1 - elbow. Centres are learnt from every sample_interval-th row.
    """
    sample, last = x[::sample_interval], math.inf
    for k in range(1, min(most, len(sample)) + 1):
        labels, distance = nearest(x, kmeans(sample, k, generator)[0])
        now = distance.mean().item()
        if now > elbow * last:                             # -- elbow
            break
        last = now
    return labels, k


def salient_clusters(
    labels: Tensor,
    saliency: Tensor,
    num_labels: int,
    thresh: float = 0.065,
    votes_percentage: float = 75,
) -> tuple[Tensor, Tensor]:
    """Clusters that enough images find salient.

    labels: (n, N) long, saliency: (n, N). An image votes for a cluster whose patches in
    it have a mean saliency above thresh. Returns votes (L,) and which are kept (L,).
    """
    if labels.shape != saliency.shape:
        raise ValueError(
            f"labels {tuple(labels.shape)} and saliency {tuple(saliency.shape)}; both "
            "are (n, N), on the same grid"
        )
    n = len(labels)
    total = saliency.new_zeros(n, num_labels).scatter_add(1, labels, saliency)
    count = torch.zeros_like(total).scatter_add(1, labels, torch.ones_like(saliency))
    votes = (total / count > thresh).sum(0)                # (L,)  -- votes
    return votes, votes >= math.ceil(n * votes_percentage / 100)   # -- keep


def cosegment(
    descriptors: Tensor,
    saliency: Tensor,
    generator: Generator,
    elbow: float = 0.975,
    thresh: float = 0.065,
    votes_percentage: float = 75,
    sample_interval: int = 1,
) -> tuple[Tensor, Tensor]:
    """What the images have in common, and its parts.

    descriptors: (n, N, D), saliency: (n, N). All patches of all images are clustered
    together. Returns the common foreground (n, N) bool, and the cluster of each patch.
    """
    n, N, _ = descriptors.shape
    x = F.normalize(descriptors.flatten(0, 1), dim=1)      # (n N, D)  -- unit length
    labels, k = elbow_clusters(x, generator, elbow, sample_interval)  # -- joint
    labels = labels.view(n, N)
    _, salient = salient_clusters(labels, saliency, k, thresh, votes_percentage)
    return salient[labels], labels


# Principal components (Sec. 3, Fig. 4)


def descriptor_pca(descriptors: Sequence[Tensor], k: int = 4) -> list[Tensor]:
    """Each image's descriptors on the k main axes of all of them together.

    descriptors: (N_i, D) for each image. Returns (N_i, k) for each.
    """
    x = torch.cat(list(descriptors)).double()              # (M, D)  -- joint PCA
    M, D = x.shape
    if not 1 <= k <= min(M, D):
        raise ValueError(f"k={k} components; {M} descriptors of width {D} have "
                         f"1 to {min(M, D)}")
    x = x - x.mean(0)
    # Of the two products the smaller one; both have the same axes.
    _, vectors = torch.linalg.eigh(x @ x.mT if M < D else x.mT @ x)
    axes = vectors.flip(1)[:, :k]                          # largest first
    if M < D:
        axes = F.normalize(x.mT @ axes, dim=0)
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))   # (1, k)
    projected = x @ (axes * largest.sign())                # (M, k)  -- project
    sizes = [len(one) for one in descriptors]
    return list(projected.to(descriptors[0].dtype).split(sizes))


def to_rgb(projected: Tensor) -> Tensor:
    """An image's last three components as colours. (N, k) to (N, 3), each 0 to 1.

    The first of four tends to tell foreground from background; parts are in the rest.
    """
    if projected.shape[-1] < 3:
        raise ValueError(f"{projected.shape[-1]} components; a colour takes 3")
    colours = projected[:, -3:]
    low, high = colours.aminmax(dim=0)
    return (colours - low) / (high - low)                  # (N, 3)  -- colour
