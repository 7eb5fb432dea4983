"""Arrow of time: does this video run forwards or backwards, and where does one see it?

Paper:    Wei, Lim, Zisserman & Freeman, "Learning and Using the Arrow of Time",
          CVPR 2018
Differs:  1. flow comes from a one-scale Lucas-Kanade estimate so that any clip can
             train the model; the paper's flow is computed beforehand by a better one
          2. camera motion is taken for the same shift of every pixel; the paper
             stabilises its clips with homographies
          3. flow inside black borders is set to zero; the paper cuts them off
          4. flow stays in pixels; upstream stores it as 8-bit images around 128
          5. `build` takes fewer and narrower stages than VGG-16
          6. each clip is turned round by a fair coin
Checked:  derived from donglaiw/AoT_TCAM@580d8a2 (Torch7, not run): reversal, logit,
          class activation map and loss to 1e-5

Shapes:   B clips, C channels, T frames or segments, L flow fields in a segment,
          H x W pixels, h x w of a map
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls.jigsaw import draw_integers


@dataclass(frozen=True)
class Config:
    """The official model: VGG-16 without its last pool, on two segments of flow."""

    segments: int = 2        # T, fused late
    flows: int = 10          # L, stacked in a segment
    stages: tuple[tuple[int, ...], ...] = (
        (64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512),
    )
    hidden: int = 1024       # of the two convolutions behind the fusion
    dropout: float = 0.5
    img_size: int = 224

    @property
    def frames(self) -> int:
        """Frames that give all the flow fields."""
        return self.segments * self.flows + 1


TINY = Config(flows=4, stages=((16,), (32,)), hidden=32, dropout=0.0, img_size=32)


# Forwards or backwards (Sec. 3)


def make_aot_batch(clip: Tensor, labels: Tensor, *, flow: bool = False) -> Tensor:
    """The clips whose label is 0 played backwards; those with 1 as they are.

    clip: (B, C, T, H, W). labels: (B,). flow: the channels are motion vectors, which
    change their sign when time does.
    """
    if labels.shape != clip.shape[:1]:
        raise ValueError(
            f"labels {tuple(labels.shape)} for clips {tuple(clip.shape)}; give one per "
            "clip, 1 forwards and 0 backwards"
        )
    B, C, T = clip.shape[:3]
    forwards = (labels != 0).view(B, 1, 1)
    t = torch.arange(T, device=clip.device)
    time = torch.where(forwards, t, T - 1 - t)              # (B, 1, T)  -- order
    row = T * torch.arange(B * C, device=clip.device).view(B, C, 1)
    frames = clip.flatten(0, 2)                             # (BCT, H, W)
    turned = frames.index_select(0, (row + time).flatten()).view(clip.shape)
    if flow:
        sign = 2 * forwards.to(clip) - 1                    # (B, 1, 1)
        turned *= sign.view(B, 1, 1, 1, 1)                  # -- reversed motion
    return turned


def flip_flow(flow: Tensor) -> Tensor:
    """Flow as a mirror shows it: left and right change, up and down do not.

    flow: (B, 2, T, H, W), horizontal component first.
    """
    sign = flow.new_tensor([-1, 1]).view(1, 2, 1, 1, 1)
    return sign * flow.flip(-1)                             # -- only u is negated


# Flow from frames (Lucas & Kanade, IJCAI 1981)


def lucas_kanade(clips: Tensor, window: int = 5, ridge: float = 1e-3) -> Tensor:
    """Motion between neighbours in pixels: (B, C, T, H, W) to (B, 2, T - 1, H, W).

    In each window the (u, v) with the least squares of I_x u + I_y v + I_t. Slopes are
    taken halfway between the two frames, so that time reversed gives exactly -flow.
    `ridge` draws flat regions, where motion cannot be seen, to zero.
    """
    if clips.ndim != 5 or clips.shape[2] < 2:
        raise ValueError(
            f"clips of shape {tuple(clips.shape)}; flow takes (B, C, T, H, W) with two "
            "frames or more"
        )
    grey = clips.mean(dim=1)                                # (B, T, H, W)
    before, after = grey[:, :-1], grey[:, 1:]               # (B, T - 1, H, W)
    along_y, along_x = torch.gradient((before + after) / 2, dim=(2, 3))
    along_t = after - before

    def windowed(product: Tensor) -> Tensor:
        return F.avg_pool2d(product, window, 1, window // 2)

    xx = windowed(along_x * along_x) + ridge
    yy = windowed(along_y * along_y) + ridge
    xy = windowed(along_x * along_y)
    xt, yt = windowed(along_x * along_t), windowed(along_y * along_t)
    determinant = xx * yy - xy * xy
    u = (xy * yt - yy * xt) / determinant                   # -- Cramer's rule
    v = (xy * xt - xx * yt) / determinant
    return torch.stack([u, v], dim=1)                       # (B, 2, T - 1, H, W)


# Against artificial cues (Sec. 3.2): borders and the cameraman tell the direction too


def black_borders(clips: Tensor, threshold: float = 0.02) -> Tensor:
    """True in rows and columns that stay black all along. Returns (B, H, W)."""
    brightest = clips.amax(dim=(1, 2))                      # (B, H, W)
    rows = brightest.amax(dim=2, keepdim=True) < threshold  # (B, H, 1)
    columns = brightest.amax(dim=1, keepdim=True) < threshold  # (B, 1, W)
    return rows | columns


def stabilize(flow: Tensor, ignore: Tensor) -> Tensor:
    """Flow without the motion that all pixels share, and none where `ignore` is True.

    flow: (B, 2, T, H, W). ignore: (B, H, W) bool.
    """
    kept = (~ignore)[:, None, None].to(flow)                # (B, 1, 1, H, W)
    pixels = kept.sum(dim=(3, 4), keepdim=True).clamp(min=1)
    camera = (flow * kept).sum(dim=(3, 4), keepdim=True) / pixels  # (B, 2, T, 1, 1)
    return (flow - camera) * kept                           # -- camera motion


def clip_views(
    clips: Tensor, generator: Generator, *, config: Config = TINY
) -> tuple[Tensor, Tensor]:
    """Flow segments, half of them mirrored and half turned round, and the labels.

    clips: (B, 3, T, H, W) in [0, 1]; frames beyond `config.frames` are left. Returns
    (B, T, 2L, H, W), u and v in turns, and (B,) long: 1 forwards, 0 backwards.
    """
    if clips.ndim != 5 or clips.shape[2] < config.frames:
        raise ValueError(
            f"clips of shape {tuple(clips.shape)}; {config.segments} segments of "
            f"{config.flows} flow fields take (B, 3, T, H, W) with T of {config.frames}"
        )
    clips = clips[:, :, : config.frames]
    flow = stabilize(lucas_kanade(clips), black_borders(clips))  # (B, 2, TL, H, W)
    mirrored, labels = draw_integers(generator, 2, (2, len(clips)), clips)
    flow = torch.where((mirrored == 1).view(-1, 1, 1, 1, 1), flip_flow(flow), flow)
    flow = make_aot_batch(flow, labels, flow=True)
    segments = flow.transpose(1, 2).unflatten(1, (config.segments, config.flows))
    return segments.flatten(2, 3), labels                   # (B, T, 2L, H, W)


# The network (Sec. 3.1)


def vgg(in_chans: int, stages: tuple[tuple[int, ...], ...]) -> nn.Sequential:
    """3 x 3 convolutions, each with ReLU and then batch norm; a pool between stages."""
    layers: list[nn.Module] = []
    for i, widths in enumerate(stages):
        if i > 0:
            layers.append(nn.MaxPool2d(2))
        for width in widths:
            layers += conv(in_chans, width)
            in_chans = width
    return nn.Sequential(*layers)


def conv(in_chans: int, width: int) -> list[nn.Module]:
    """Upstream's order: the norm comes behind the ReLU."""
    return [
        nn.Conv2d(in_chans, width, 3, padding=1), nn.ReLU(),
        nn.BatchNorm2d(width, eps=1e-3),
    ]


class TCAMHead(nn.Module):
    """One logistic unit on pooled maps, and the map that says where it looked."""

    def __init__(self, channels: int):
        super().__init__()
        self.fc = nn.Linear(channels, 1)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Maps of T segments, (B, T, C, h, w) with T C channels, to logit and map.

        Returns (B,), positive for forwards, and (B, h, w), whose mean is the logit
        without its bias.
        """
        x = maps.flatten(1, 2)                              # (B, TC, h, w)  -- fusion
        if x.shape[1] != self.fc.in_features:
            raise ValueError(
                f"maps {tuple(maps.shape)} have T C = {x.shape[1]} channels; the head "
                f"was made for {self.fc.in_features}"
            )
        # The unit at every place: a 1x1 convolution.
        cam = F.conv2d(x, self.fc.weight[..., None, None])[:, 0]  # -- activation map
        # Pooling and the unit are linear: the map's mean is the unit on pooled maps.
        logit = cam.mean(dim=(1, 2)) + self.fc.bias         # (B,)  -- pooled
        return logit, cam


class TCAM(nn.Module):
    """One encoder for all segments, their maps concatenated, two convolutions, head.

    encoder: any module from flow (B, 2L, H, W) to maps (B, width, h, w).
    """

    def __init__(
        self,
        encoder: nn.Module,
        width: int,
        segments: int = 2,
        hidden: int = 1024,
        dropout: float = 0.5,
    ):
        super().__init__()
        self.encoder = encoder
        self.fusion = nn.Sequential(
            *conv(segments * width, hidden), nn.Dropout(dropout),
            *conv(hidden, hidden), nn.Dropout(dropout),
        )
        self.head = TCAMHead(hidden)

    def forward(self, segments: Tensor) -> tuple[Tensor, Tensor]:
        """Flow (B, T, 2L, H, W) to logits (B,) and class activation maps (B, h, w)."""
        maps = self.encoder(segments.flatten(0, 1))         # (BT, C, h, w)
        maps = maps.unflatten(0, segments.shape[:2]).flatten(1, 2)  # (B, TC, h, w)
        return self.head(self.fusion(maps)[:, None])


def aot_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of "forwards", averaged over the batch. (B,) twice."""
    if logits.shape != labels.shape:
        raise ValueError(
            f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)} differ; "
            "both are (B,)"
        )
    return F.binary_cross_entropy_with_logits(logits, labels.to(logits))  # -- BCE


# Training


def build(config: Config = TINY) -> TCAM:
    """The model with a VGG on stacks of flow fields."""
    encoder = vgg(2 * config.flows, config.stages)
    return TCAM(
        encoder, config.stages[-1][-1], config.segments, config.hidden, config.dropout
    )


def training_step(
    model: TCAM, batch: tuple[Tensor, Tensor], step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss, and what to watch: `accuracy` is 1/2 by chance."""
    segments, labels = batch
    logits, _ = model(segments)
    loss = aot_loss(logits, labels)
    right = ((logits > 0) == (labels == 1)).float().mean()
    return loss, {"loss": loss.item(), "accuracy": right.item()}
