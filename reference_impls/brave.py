"""BraVe: from a short, sharp look at a video, predict what a long, coarse one sees.

Paper:    Recasens et al., "Broaden Your Views for Self-Supervised Video Learning",
          ICCV 2021, arXiv 2103.16559
Differs:  1. a projector and a predictor for each view; the released code shares one of
             both among all (hand `BraVe` one module for all to have that), an earlier
             release had one of each for every direction of every pair
          2. the broad view is randomly convolved RGB; flow and audio need other data.
             Several broad views work, each with a backbone of its own
          3. `build` takes small residual networks with temporal shift; the paper's is
             a TSM-ResNet-50
          4. batch norm is the process's own; the official code averages over devices
          5. the kernels of `random_convolution` are 3x3 and keep the variance, on
             normalised pixels; the official ones have odd sides up to 11 and twice
             that variance, on pixels in [0, 1]
          6. both windows start anywhere; the official ones start together, or the
             narrow one lies inside the broad one
Checked:  deepmind/brave@0ae20d9 (JAX): projections, predictions and the loss of all
          directions to 1e-3

Shapes:   B clips, T frames, S crop side, F backbone width, M hidden width, D output
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls.byol import feature_spread
from reference_impls.cubic_puzzles import SMALL_STEM, BasicBlock, ResNet3d, Stem
from reference_impls.simclr import (
    Augmentation,
    color_jitter,
    draw,
    gaussian_blur,
    greyscale,
    normalize,
    random_resized_crop,
    sometimes,
)

LARGE_STEM = Stem((1, 7, 7), (1, 2, 2), (1, 2, 2))  # for frames of 224 pixels


@dataclass(frozen=True)
class Config:
    """The released configuration, and the networks that `build` makes."""

    narrow_frames: int = 16
    narrow_step: int = 2           # every second frame
    narrow_size: int = 224         # pixels
    broad_frames: int = 64
    broad_step: int = 4
    broad_size: int = 112
    hidden: int = 4096             # M, of projector and predictor
    dim: int = 128                 # D
    batch: int = 512
    lr: float = 1.0                # peak; LARS, cosine
    predictor_lr_scale: float = 10.0
    weight_decay: float = 1e-2
    warmup_steps: int = 5000
    steps: int = 300_000
    frames: int = 256              # the clip that both windows are cut from
    img_size: int = 224
    widths: tuple[int, ...] = (64, 128, 256, 512)
    depths: tuple[int, ...] = (2, 2, 2, 2)
    stem: Stem = LARGE_STEM


TINY = Config(
    narrow_frames=4, narrow_step=1, narrow_size=32, broad_frames=8, broad_step=2,
    broad_size=16, hidden=64, dim=32, batch=4, frames=16, img_size=32,
    widths=(16, 32), depths=(1, 1), stem=SMALL_STEM,
)


# Two windows on one clip (Sec. 3.1)


def cut_window(clips: Tensor, frames: int, step: int, generator: Generator) -> Tensor:
    """Every `step`-th frame from a random start of each clip's own.

    clips: (B, 3, T, H, W). Returns (B, 3, frames, H, W).
    """
    span = (frames - 1) * step + 1
    B, _, T = clips.shape[:3]
    if span > T:
        raise ValueError(
            f"{frames} frames at step {step} span {span}; the clips have {T}, so give "
            "longer clips or a smaller step"
        )
    start = (draw(generator, (B, 1), clips) * (T - span + 1)).long()   # (B, 1)
    rows = start + step * torch.arange(frames, device=clips.device)    # (B, frames)
    return clips.transpose(1, 2)[torch.arange(B)[:, None], rows].transpose(1, 2)


def augment_clips(
    clips: Tensor, how: Augmentation, size: int, generator: Generator
) -> Tensor:
    """One view of each clip; all frames of a clip share one draw, so motion stays.

    clips: (B, 3, T, H, W) in [0, 1]. Returns (B, 3, T, S, S) in [0, 1].
    """
    if clips.ndim != 5 or clips.shape[1] != 3:
        raise ValueError(
            f"clips of shape {tuple(clips.shape)}; give (B, 3, T, H, W) in [0, 1]"
        )
    B, T, S = len(clips), clips.shape[2], size
    # What works on pixels sees the frames as one tall image, the rest as channels.
    x = clips.flatten(1, 2)                                       # (B, 3T, H, W)
    x = random_resized_crop(x, S, how.area, generator)            # (B, 3T, S, S)
    x = sometimes(x, 0.5, generator, lambda x: x.flip(-1))
    x = x.view(B, 3, T * S, S)                                    # (B, 3, TS, S)
    x = sometimes(x, how.jitter, generator, lambda x: color_jitter(x, how, generator))
    x = sometimes(x, how.grey, generator, greyscale).reshape(B, 3 * T, S, S)
    x = sometimes(x, how.blur, generator, lambda x: gaussian_blur(x, generator))
    return x.view(B, 3, T, S, S)


def normalize_clips(clips: Tensor) -> Tensor:
    """Pixels in [0, 1] to the networks' input, as for images. (B, 3, T, H, W)."""
    return normalize(clips.flatten(2, 3)).view_as(clips)


def random_convolution(clips: Tensor, generator: Generator) -> Tensor:
    """Each clip through a random 3x3 filter of its own: shapes stay, texture goes.

    (B, 3, T, H, W) to the same shape; on average the filter keeps the variance.
    """
    B, C, T, H, W = clips.shape
    weight = torch.randn(B * C, C, 1, 3, 3, generator=generator).to(clips)
    with torch.autocast(clips.device.type, enabled=False):
        x = clips.reshape(1, B * C, T, H, W)
        weight = weight / (9 * C) ** 0.5
        x = F.conv3d(x, weight, padding=(0, 1, 1), groups=B)  # -- random convolution
    return x.view(B, C, T, H, W)


def clip_views(
    clips: Tensor, generator: Generator, config: Config = TINY
) -> tuple[Tensor, list[Tensor]]:
    """The narrow view of each clip and its broad one (a list, there may be more).

    clips: (B, 3, T, H, W) in [0, 1]. Returns (B, 3, narrow_frames, S, S) and a list of
    (B, 3, broad_frames, S', S'). The two windows start independently.
    """
    c, how = config, Augmentation()
    narrow = cut_window(clips, c.narrow_frames, c.narrow_step, generator)  # -- narrow
    broad = cut_window(clips, c.broad_frames, c.broad_step, generator)     # -- broad
    narrow = normalize_clips(augment_clips(narrow, how, c.narrow_size, generator))
    broad = normalize_clips(augment_clips(broad, how, c.broad_size, generator))
    return narrow, [random_convolution(broad, generator)]


# The networks (Sec. 3.2 and 4.1)


def temporal_shift(x: Tensor, share: int = 8) -> Tensor:
    """Let frames talk for nothing: an eighth of the channels comes from the next
    frame, an eighth from the last (TSM; Lin, Gan & Han, arXiv 1811.08383).

    (B, C, T, H, W) to the same shape; what would come from outside the clip is zero.
    """
    c = x.shape[1] // share
    later = F.pad(x[:, :c, 1:], (0, 0, 0, 0, 0, 1))               # -- from the next
    earlier = F.pad(x[:, c:2 * c, :-1], (0, 0, 0, 0, 1, 0))       # -- from the last
    return torch.cat([later, earlier, x[:, 2 * c:]], dim=1)       # (B, C, T, H, W)


class TemporalShift(nn.Module):
    """`temporal_shift` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return temporal_shift(x)


def tsm_resnet(
    widths: Sequence[int], depths: Sequence[int], stem: Stem
) -> ResNet3d:
    """A 2-D residual network over frames, shifted in front of each block's branch."""
    stem = Stem((1, *stem.kernel[1:]), stem.stride, (1, *stem.pool[1:]))
    strides = [(1, 1)] + [(1, 2)] * (len(widths) - 1)
    net = ResNet3d(widths, depths, 3, [1] * len(widths), strides, stem)
    for block in net.modules():
        if isinstance(block, BasicBlock):
            block.add_module("conv1", nn.Sequential(TemporalShift(), block.conv1))
    return net


class Mlp(nn.Module):
    """Linear, batch norm, ReLU, linear, and perhaps a batch norm behind it."""

    def __init__(self, in_dim: int, hidden: int, out_dim: int, final_norm: bool):
        super().__init__()
        self.linear = nn.Linear(in_dim, hidden)
        self.batch_norm = nn.BatchNorm1d(hidden)
        self.linear_1 = nn.Linear(hidden, out_dim)
        if final_norm:
            self.batch_norm_1 = nn.BatchNorm1d(out_dim)
        self.final_norm = final_norm

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear_1(F.relu(self.batch_norm(self.linear(x))))  # (B, out_dim)
        return self.batch_norm_1(x) if self.final_norm else x


class ProjectAndPredict(nn.Module):
    """Projector f, whose output is normed over the batch, then predictor h, not normed.

    f's norm helps to keep the targets of a batch apart: there is no slow teacher.
    """

    def __init__(self, in_dim: int, hidden: int = 4096, out_dim: int = 128):
        super().__init__()
        self.projector = Mlp(in_dim, hidden, out_dim, final_norm=True)
        self.predictor = Mlp(out_dim, hidden, out_dim, final_norm=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, F) to the projection z and the prediction h, (B, D) each."""
        z = self.projector(x)                             # (B, D)  -- z
        return z, self.predictor(z)                       # (B, D)  -- h


class BraVe(nn.Module):
    """A backbone and a head for the narrow view, and for each broad view its own.

    backbones: modules from (B, 3, T, S, S) to maps (B, F, t, h, w), the narrow view's
    first. heads: one ProjectAndPredict each.
    """

    def __init__(
        self, backbones: Sequence[nn.Module], heads: Sequence[ProjectAndPredict]
    ):
        super().__init__()
        if len(backbones) != len(heads) or len(heads) < 2:
            raise ValueError(
                f"{len(backbones)} backbones and {len(heads)} heads; give one of each "
                "for the narrow view and for every broad one"
            )
        self.backbones, self.heads = nn.ModuleList(backbones), nn.ModuleList(heads)

    @property
    def encoder(self) -> nn.Module:
        """What is kept after training: the narrow view's backbone."""
        return self.backbones[0]

    def forward(self, views: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """The narrow view and the broad ones to (z, h) of each, (B, D) all."""
        if len(views) != len(self.heads):
            raise ValueError(f"{len(views)} views for {len(self.heads)} backbones")
        features = [
            backbone(view).mean(dim=(2, 3, 4))            # (B, F)
            for backbone, view in zip(self.backbones, views, strict=True)
        ]
        return [head(f) for head, f in zip(self.heads, features, strict=True)]


# The loss (Eq. 1 and 2)


def regression_loss(h: Tensor, z: Tensor) -> Tensor:
    """Half the squared distance of unit vectors, 1 - cos; none to z. (B, D) to ()."""
    target = F.normalize(z.detach(), dim=1)               # (B, D)  -- stop-gradient
    length = h.norm(dim=1).clamp(min=1e-12)               # (B,)
    cosine = (h * target).sum(dim=1) / length             # (B,)
    return 1 - cosine.mean()                              # ()  -- regression


def brave_loss(h_b: Tensor, z_n: Tensor, h_n: Tensor, z_b: Tensor) -> Tensor:
    """Broad predicts narrow and narrow predicts broad: the mean of both directions.

    Predictions h and projections z, (B, D) each, not normalised. A scalar in [0, 2]:
    0 where all agree, 2 where all are opposed. No gradient reaches a projection.
    """
    if not h_b.shape == z_n.shape == h_n.shape == z_b.shape or h_b.ndim != 2:
        raise ValueError(
            f"predictions {tuple(h_b.shape)}, {tuple(h_n.shape)} and projections "
            f"{tuple(z_n.shape)}, {tuple(z_b.shape)} differ; all are (B, D)"
        )
    broad_to_narrow = regression_loss(h_b, z_n)           # ()  -- broad to narrow
    narrow_to_broad = regression_loss(h_n, z_b)           # ()  -- narrow to broad
    return (broad_to_narrow + narrow_to_broad) / 2        # ()  -- both directions


# Training


def build(config: Config = TINY) -> BraVe:
    """Two backbones, the broad view's with half the channels, and their heads."""
    c = config
    backbones = [
        tsm_resnet(c.widths, c.depths, c.stem),
        tsm_resnet([w // 2 for w in c.widths], c.depths, c.stem),
    ]
    heads = [ProjectAndPredict(net.width, c.hidden, c.dim) for net in backbones]
    return BraVe(backbones, heads)


def parameter_groups(
    model: BraVe, lr: float, scale: float = Config.predictor_lr_scale
) -> list[dict[str, object]]:
    """For the optimiser: predictors learn `scale` times as fast as the rest."""
    fast = [p for head in model.heads for p in head.predictor.parameters()]
    ids = {id(p) for p in fast}
    slow = [p for p in model.parameters() if id(p) not in ids]
    return [{"params": slow, "lr": lr}, {"params": fast, "lr": scale * lr}]


def training_step(
    model: BraVe, batch: tuple[Tensor, list[Tensor]], step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss, and what to watch: `spread` falls to 0 in a collapse."""
    narrow, broads = batch
    (z_n, h_n), *others = model([narrow, *broads])
    losses = [brave_loss(h_b, z_n, h_n, z_b) for z_b, h_b in others]
    loss = torch.stack(losses).mean()                     # ()  -- all broad views
    return loss, {"loss": loss.item(), "spread": feature_spread(h_n)}
