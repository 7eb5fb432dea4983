"""Colorization: to colour a grey frame one must find where each pixel was before.

Paper:    Vondrick, Shrivastava, Fathi, Guadarrama & Murphy, "Tracking Emerges by
          Colorizing Videos", ECCV 2018, arXiv 1806.09594
Differs:  1. the encoder is `ResNet3d`, 2-D but for one last convolution over time; the
             paper has a ResNet-18 and several 3-D convolutions, dilated in time
          2. `build` clusters the colours of random pixels; run `kmeans` on the ab
             channels of your own videos as the paper does, and set `model.centroids`
          3. a clip keeps its ab channels now and then (`color_dropout`); with 1.0 all
             clips are grey
          4. the third-party code takes a softmax of what is already a probability; the
             loss here is its negative logarithm
Checked:  derived from wbaek/tracking_via_colorization@1fcff92 (TF1, not run):
          attention, colours and loss to 1e-4

Shapes:   B clips, R reference frames, H x W pixels, h x w of a map, N = hw, C feature
          channels, d colours (or labels)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls.cubic_puzzles import ResNet3d, Stem


@dataclass(frozen=True)
class Config:
    """The paper's 256 pixels to maps of 32 x 32, 64 channels, 16 colours."""

    references: int = 3             # R
    colors: int = 16                # d
    dim: int = 64                   # C
    temperature: float = 1.0        # in training
    track_temperature: float = 0.5  # at test
    color_dropout: float = 0.5      # probability that a clip goes grey (unverified)
    widths: tuple[int, ...] = (64, 128, 256, 256)
    depths: tuple[int, ...] = (2, 2, 2, 2)
    strides: tuple[int, ...] = (2, 2, 1, 1)  # in space, of each stage; the stem has 2
    img_size: int = 256

    @property
    def frames(self) -> int:
        """References and the target."""
        return self.references + 1


TINY = Config(dim=16, widths=(16, 32), depths=(1, 1), strides=(1, 2), img_size=32)


# Colours (Sec. 3.3): Lab, its two colour channels in clusters


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """sRGB in [0, 1] to CIE Lab (D65), channels in dimension 1.

    L is in [0, 100]; a runs from green to red, b from blue to yellow.
    """
    linear = torch.where(
        rgb > 0.04045, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4, rgb / 12.92
    )
    to_xyz = rgb.new_tensor([
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ])
    to_xyz = to_xyz / to_xyz.sum(dim=1, keepdim=True)       # white is (1, 1, 1)
    # Autocast would run the product, and so the colours, in half precision.
    with torch.autocast(rgb.device.type, enabled=False):
        xyz = torch.einsum("xc,bc...->bx...", to_xyz, linear)
    edge = (6 / 29) ** 3
    root = torch.where(
        xyz > edge, xyz.clamp(min=edge) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29
    )
    x, y, z = root.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)  # -- Lab


def lab_to_rgb(lab: Tensor) -> Tensor:
    """CIE Lab back to sRGB; colours that no screen has are cut to [0, 1]."""
    y = (lab[:, 0] + 16) / 116
    root = torch.stack([y + lab[:, 1] / 500, y, y - lab[:, 2] / 200], dim=1)
    xyz = torch.where(root > 6 / 29, root**3, 3 * (6 / 29) ** 2 * (root - 4 / 29))
    # The inverse of `to_xyz` above, of white at (1, 1, 1).
    to_linear = lab.new_tensor([
        [3.079935, -1.537152, -0.542783],
        [-0.921234, 1.875990, 0.045244],
        [0.052890, -0.204041, 1.151152],
    ])
    with torch.autocast(lab.device.type, enabled=False):
        linear = torch.einsum("cx,bx...->bc...", to_linear, xyz)
    curved = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, curved, 12.92 * linear).clamp(0, 1)


def kmeans(
    points: Tensor, k: int, generator: Generator, iterations: int = 20
) -> Tensor:
    """Lloyd's algorithm from k random points. (N, D) to centroids (k, D).

    A centroid that no point is near stays where it is.
    """
    if len(points) < k:
        raise ValueError(f"{len(points)} points for {k} clusters; give {k} or more")
    start = torch.randperm(len(points), generator=generator, device=generator.device)
    centroids = points[start[:k].to(points.device)]
    for _ in range(iterations):
        nearest = quantize(points, centroids)               # (N,)  -- assignment
        count = nearest.bincount(minlength=k)[:, None]      # (k, 1)
        total = torch.zeros_like(centroids).index_add(0, nearest, points)
        centroids = torch.where(count > 0, total / count.clamp(min=1), centroids)
    return centroids                                        # (k, D)  -- colours


def quantize(points: Tensor, centroids: Tensor) -> Tensor:
    """Index of the nearest centroid: (..., D) and (k, D) to (...) long."""
    # |p - c|^2 without |p|^2, which is the same for all c
    score = centroids.square().sum(dim=1) - 2 * points @ centroids.T  # (..., k)
    return score.argmin(dim=-1)                             # -- nearest


def color_dropout(lab: Tensor, probability: float, generator: Generator) -> Tensor:
    """Some clips without their ab channels, in all frames: what is left is to track.

    lab: (B, 3, T, H, W).
    """
    u = torch.rand(len(lab), generator=generator, device=generator.device)
    keep = (u >= probability).to(lab).view(-1, 1, 1, 1, 1)
    return torch.cat([lab[:, :1], keep * lab[:, 1:]], dim=1)  # -- colour dropout


class Frames(NamedTuple):
    """A batch as `training_step` takes it; the last frame is the target."""

    inputs: Tensor  # (B, 3, R + 1, H, W): Lab, each channel about -1 to 1
    ab: Tensor      # (B, 2, R + 1, H, W)


def clip_views(
    clips: Tensor, generator: Generator, *, config: Config = TINY
) -> Frames:
    """What the network sees, and the colours it must copy.

    clips: (B, 3, T, H, W) in [0, 1]; frames beyond R + 1 are left.
    """
    if clips.ndim != 5 or clips.shape[2] < config.frames:
        raise ValueError(
            f"clips of shape {tuple(clips.shape)}; {config.references} references and "
            f"a target take (B, 3, T, H, W) with T of {config.frames} or more"
        )
    lab = rgb_to_lab(clips[:, :, : config.frames])
    seen = color_dropout(lab, config.color_dropout, generator)
    L, ab = seen.split([1, 2], dim=1)
    return Frames(torch.cat([L / 50 - 1, ab / 110], dim=1), lab[:, 1:])


# The pointer (Sec. 3.1 and 3.2)


def pointer_copy(
    ref_feat: Tensor, tar_feat: Tensor, ref_labels: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Each target pixel points at reference pixels and copies what they are labelled.

    ref_feat: (B, RN, C). tar_feat: (B, N, C). ref_labels: (B, RN, d): colours in
    training, any labels when tracking. Returns the attention (B, N, RN), whose rows sum
    to one, and the copied labels (B, N, d). Features are not normalised.
    """
    if temperature <= 0:
        raise ValueError(f"temperature {temperature} must be above 0")
    if ref_feat.shape[:2] != ref_labels.shape[:2]:
        raise ValueError(
            f"features {tuple(ref_feat.shape)} and labels {tuple(ref_labels.shape)} of "
            "the references differ; one label (one-hot) per reference pixel"
        )
    # Dot products without a norm do not survive half precision.
    with torch.autocast(ref_feat.device.type, enabled=False):
        dtype = torch.promote_types(ref_feat.dtype, torch.float32)
        ref, tar, labels = (x.to(dtype) for x in (ref_feat, tar_feat, ref_labels))
        similarity = (tar / temperature) @ ref.mT           # (B, N, RN)  -- f_i . f_j
        attention = similarity.softmax(dim=2)               # over references  -- A_ij
        return attention, attention @ labels                # (B, N, d)  -- copied


def pointer_color_loss(probs: Tensor, targets: Tensor, eps: float = 1e-12) -> Tensor:
    """Negative log of the probability of the true colour, mean over pixels.

    probs: (B, N, d), already normalised: no softmax here. targets: (B, N) long.
    """
    if probs.shape[:2] != targets.shape:
        raise ValueError(
            f"probabilities {tuple(probs.shape)} and targets {tuple(targets.shape)}; "
            "give (B, N, d) and (B, N)"
        )
    p = probs.gather(2, targets[..., None]).squeeze(2)      # (B, N)
    return -p.clamp(min=eps).log().mean()                   # ()  -- cross-entropy


@torch.no_grad()
def track(
    features: Tensor, first: Tensor, references: int = 3, temperature: float = 0.5
) -> Tensor:
    """Labels of the first frame carried through the video (Sec. 3.4).

    features: (B, T, N, C). first: (B, N, d): segments, or key points one by one. Each
    frame copies from the frames before it, the last `references` of them, whose labels
    are predictions themselves. Returns (B, T, N, d).
    """
    labels = [first]
    for t in range(1, features.shape[1]):
        past = slice(max(0, t - references), t)
        known = torch.cat(labels[past], dim=1)              # (B, RN, d)
        seen = features[:, past].flatten(1, 2)              # (B, RN, C)
        _, copied = pointer_copy(seen, features[:, t], known, temperature)
        labels.append(copied.to(first))                     # -- tracked
    return torch.stack(labels, dim=1)


# The network and its training


class Colorizer(nn.Module):
    """Frames to features at every place of a smaller map, and the colours to copy.

    encoder: any module from clips to maps (B, width, T, h, w).
    """

    centroids: Tensor

    def __init__(
        self, encoder: nn.Module, width: int, dim: int, centroids: Tensor,
        temperature: float = 1.0,
    ):
        super().__init__()
        self.encoder, self.temperature = encoder, temperature
        self.over_time = nn.Conv3d(width, width, 3, padding=1)
        self.project = nn.Conv3d(width, dim, 1)
        self.register_buffer("centroids", centroids)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, 3, T, H, W) to feature maps (B, C, T, h, w)."""
        maps = self.encoder(frames)                         # (B, width, T, h, w)
        return self.project(F.relu(self.over_time(maps)))


def tokens(maps: Tensor) -> Tensor:
    """(B, C, T, h, w) to (B, T, N, C), places row by row."""
    return maps.flatten(3).permute(0, 2, 3, 1)


def colors(model: Colorizer, ab: Tensor, size: tuple[int, int]) -> Tensor:
    """The cluster of each place's mean colour: (B, 2, T, H, W) to (B, T, N) long."""
    small = F.adaptive_avg_pool3d(ab, (ab.shape[2], *size))  # (B, 2, T, h, w)
    return quantize(tokens(small), model.centroids.to(small))


def build(config: Config = TINY) -> Colorizer:
    """The model, with colours clustered from a fixed draw of random pixels."""
    stages = len(config.widths)
    encoder = ResNet3d(
        config.widths, config.depths, temporal=(1,) * stages,
        strides=[(1, s) for s in config.strides],
        stem=Stem((1, 3, 3), (1, 2, 2), (1, 1, 1)),
    )
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(4096, 3, generator=generator)
    centroids = kmeans(rgb_to_lab(pixels)[:, 1:], config.colors, generator)
    return Colorizer(encoder, encoder.width, config.dim, centroids, config.temperature)


def training_step(
    model: Colorizer, batch: Frames, step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss, and what to watch: how often the likeliest colour is right."""
    maps = model(batch.inputs)                              # (B, C, R + 1, h, w)
    features = tokens(maps)                                 # (B, R + 1, N, C)
    labels = colors(model, batch.ab, (maps.shape[3], maps.shape[4]))  # (B, R + 1, N)
    known = F.one_hot(labels[:, :-1].flatten(1), len(model.centroids))  # (B, RN, d)
    _, probs = pointer_copy(
        features[:, :-1].flatten(1, 2), features[:, -1], known.to(features),
        model.temperature,
    )
    loss = pointer_color_loss(probs, labels[:, -1])
    right = (probs.argmax(dim=2) == labels[:, -1]).float().mean()
    return loss, {"loss": loss.item(), "accuracy": right.item()}
