"""Dense predictive coding: predict the features of the seconds to come, place by place.

Paper:    Han, Xie & Zisserman, "Video Representation Learning by Dense Predictive
          Coding", ICCV Workshops 2019, arXiv 1909.04656
Differs:  1. `ResNet3d` names its stages otherwise than the official 2d3d network, so
             checkpoints load into `DPCPredictor`, not into the encoder
          2. colours are jittered frame by frame without a change of hue
          3. a crop is a square of whole pixels, half to all of the frame's area
Checked:  TengdaHan/DPC@1592e5f: scores, kinds of negatives, loss and accuracy to 1e-4,
          the recurrent predictor with its weights to 2e-5

Shapes:   B videos, N blocks of L frames each, P of them predicted, D features,
          h x w map of S = h w places
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls.cubic_puzzles import ResNet3d, Stem
from reference_impls.simclr import MEAN, STD, draw

STEM = Stem(kernel=(1, 7, 7), stride=(1, 2, 2), pool=(1, 2, 2))


@dataclass(frozen=True)
class Config:
    """The official defaults: a 2d3d ResNet-18 on clips of 128 pixels."""

    num_seq: int = 8               # N
    seq_len: int = 5               # L
    pred_step: int = 3             # P, the last of the N
    downsample: int = 3            # every third frame is looked at
    img_size: int = 128
    widths: tuple[int, ...] = (64, 128, 256, 256)
    depths: tuple[int, ...] = (2, 2, 2, 2)
    temporal: tuple[int, ...] = (1, 1, 3, 3)  # kernels: 2-D below, 3-D above
    strides: tuple[tuple[int, int], ...] = ((1, 1), (1, 2), (2, 2), (2, 2))
    stem: Stem = STEM              # 2-D too
    dropout: float = 0.1           # on the recurrent state
    lr: float = 1e-3               # Adam
    weight_decay: float = 1e-5

    @property
    def frames(self) -> int:
        """Frames of a clip before every `downsample`-th is taken."""
        return self.num_seq * self.seq_len * self.downsample


TINY = Config(
    num_seq=4, seq_len=4, pred_step=2, downsample=1, img_size=32, widths=(16, 32, 32),
    depths=(1, 1, 1), temporal=(1, 3, 3), strides=((1, 1), (1, 2), (2, 2)),
    stem=Stem(kernel=(1, 3, 3), stride=(1, 2, 2), pool=(1, 1, 1)),
)


# From clips to blocks (Sec. 3.1 and 4.1)


def blocks(clips: Tensor, num_seq: int, seq_len: int, downsample: int = 1) -> Tensor:
    """Consecutive blocks that do not overlap: (B, 3, T, H, W) to (B, N, 3, L, H, W)."""
    wanted = num_seq * seq_len * downsample
    if clips.shape[2] < wanted:
        raise ValueError(
            f"clips of {clips.shape[2]} frames; {num_seq} blocks of {seq_len}, every "
            f"{downsample}th frame, need {wanted}"
        )
    clips = clips[:, :, :wanted:downsample]            # (B, 3, N L, H, W)
    return clips.unflatten(2, (num_seq, seq_len)).transpose(1, 2)  # -- blocks


def crop_and_flip(clips: Tensor, size: int, generator: Generator) -> Tensor:
    """One square window per clip, the same in all its frames, resized to `size`."""
    out = []
    for clip in clips:                                 # (3, T, H, W)
        H, W = clip.shape[-2:]
        u = draw(generator, (4,), clip).tolist()
        side = round(min(H, W) * (0.5 + 0.5 * u[0]) ** 0.5)
        y, x = int(u[1] * (H - side + 1)), int(u[2] * (W - side + 1))
        window = clip[..., y : y + side, x : x + side]
        window = window.flip(-1) if u[3] < 0.5 else window
        out.append(F.interpolate(window, (size, size), mode="bilinear", antialias=True))
    return torch.stack(out)                            # (B, 3, T, size, size)


def recolour(clips: Tensor, generator: Generator) -> Tensor:
    """Brightness, contrast, saturation and greyscale, every frame with its own luck.

    So colour does not tell which frames belong together.
    """
    B, _, T = clips.shape[:3]
    u = draw(generator, (4, B, 1, T, 1, 1), clips)
    brightness, contrast, saturation = 0.5 + u[:3]     # (B, 1, T, 1, 1), 0.5 to 1.5
    luma = clips.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1, 1)
    x = clips * brightness
    grey = (x * luma).sum(dim=1, keepdim=True)         # (B, 1, T, H, W)
    mean = grey.mean(dim=(3, 4), keepdim=True)         # (B, 1, T, 1, 1)
    x = mean + contrast * (x - mean)
    grey = (x * luma).sum(dim=1, keepdim=True)
    saturation = torch.where(u[3] < 0.5, 0, saturation)  # -- greyscale by frame
    return (grey + saturation * (x - grey)).clamp(0, 1)


def clip_views(clips: Tensor, generator: Generator, config: Config = TINY) -> Tensor:
    """Augmented, normalised blocks: (B, 3, T, H, W) in [0, 1] to (B, N, 3, L, S, S)."""
    x = crop_and_flip(clips, config.img_size, generator)
    x = recolour(x, generator)
    mean, std = (x.new_tensor(v).view(1, 3, 1, 1, 1) for v in (MEAN, STD))
    return blocks((x - mean) / std, config.num_seq, config.seq_len, config.downsample)


# Aggregate, then predict (Sec. 3.1 and 3.3)


class ConvGRUCell(nn.Module):
    """A gated recurrent unit at every place of a map, with 1 x 1 convolutions."""

    def __init__(self, dim: int):
        super().__init__()
        self.reset_gate = nn.Conv2d(2 * dim, dim, 1)
        self.update_gate = nn.Conv2d(2 * dim, dim, 1)
        self.out_gate = nn.Conv2d(2 * dim, dim, 1)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """Input and state, (B, D, h, w) both, to the new state."""
        both = torch.cat([x, state], dim=1)            # (B, 2D, h, w)
        update = self.update_gate(both).sigmoid()      # -- update gate
        reset = self.reset_gate(both).sigmoid()        # -- reset gate
        proposal = self.out_gate(torch.cat([x, reset * state], dim=1)).tanh()
        return (1 - update) * state + update * proposal  # -- new state


class ConvGRU(nn.Module):
    """One cell over a sequence of maps. The official two names for it are both kept."""

    def __init__(self, dim: int, dropout: float = 0.1):
        super().__init__()
        self.ConvGRUCell_00 = ConvGRUCell(dim)
        self.cell_list = nn.ModuleList([self.ConvGRUCell_00])
        self.dropout_layer = nn.Dropout(dropout)

    def forward(self, x: Tensor, state: Tensor | None = None) -> Tensor:
        """(B, N, D, h, w), and the state to start from, to the last state (B, D, h, w).

        Dropout in training changes the state itself, at each step.
        """
        if state is None:
            state = torch.zeros_like(x[:, 0])          # (B, D, h, w)
        for block in x.unbind(1):
            state = self.dropout_layer(self.ConvGRUCell_00(block, state))
        return state


class DPCPredictor(nn.Module):
    """Context c_t by a ConvGRU g, the next blocks by a small network phi."""

    def __init__(self, dim: int, dropout: float = 0.1):
        super().__init__()
        self.agg = ConvGRU(dim, dropout)
        self.pred = nn.Sequential(
            nn.Conv2d(dim, dim, 1), nn.ReLU(), nn.Conv2d(dim, dim, 1)
        )
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.orthogonal_(parameter)

    def context(self, features: Tensor, pred_steps: int) -> Tensor:
        """All but the last `pred_steps` blocks, (B, N, D, h, w), to (B, D, h, w)."""
        if features.ndim != 5 or features.shape[1] <= pred_steps:
            raise ValueError(
                f"features of shape {tuple(features.shape)} and {pred_steps} blocks to "
                "predict; give (B, N, D, h, w) with more blocks than that"
            )
        seen = features[:, :-pred_steps].relu()        # (B, N - P, D, h, w)  -- seen
        return self.agg(seen)                          # (B, D, h, w)  -- c_t

    def forward(self, features: Tensor, pred_steps: int) -> Tensor:
        """Guess the last blocks from those before, one by one: to (B, P, D, h, w).

        Each prediction is looked at as if it had been seen, so that the next can
        build on it. features: (B, N, D, h, w), before the ReLU, the last P unread.
        """
        state, predictions = self.context(features, pred_steps), []
        for _ in range(pred_steps):
            predictions.append(self.pred(state))       # (B, D, h, w)  -- phi
            state = self.agg(predictions[-1].relu()[:, None], state)  # -- fed back
        return torch.stack(predictions, dim=1)         # (B, P, D, h, w)


# The loss (Eq. 5)


def rows(maps: Tensor) -> Tensor:
    """(B, P, D, h, w) to one vector per video, step and place, (B P S, D)."""
    return maps.permute(0, 1, 3, 4, 2).flatten(0, 3)


def dpc_scores(pred: Tensor, target: Tensor) -> Tensor:
    """Dot products of every prediction with every true feature, (BPS, BPS).

    No normalisation and no temperature: lengths are learnt. Rows are predictions.
    """
    if pred.shape != target.shape or pred.ndim != 5:
        raise ValueError(
            f"predictions {tuple(pred.shape)} and targets {tuple(target.shape)} must "
            "have one shape (B, P, D, h, w); keep the last P blocks of the features"
        )
    # Unbounded products do not survive half precision.
    with torch.autocast(pred.device.type, enabled=False):
        z_hat, z = (
            rows(maps).to(torch.promote_types(maps.dtype, torch.float32))
            for maps in (pred, target)
        )                                              # (BPS, D)
        return z_hat @ z.T                             # (BPS, BPS)  -- scores


def matching_loss(scores: Tensor) -> Tensor:
    """Cross-entropy where row i's right answer is column i."""
    right = torch.arange(len(scores), device=scores.device)  # (BPS,)  -- positive
    return F.cross_entropy(scores, right)              # ()  -- InfoNCE


def dpc_loss(pred: Tensor, target: Tensor) -> Tensor:
    """Name the true feature among those of all videos, steps and places (Eq. 5).

    pred, target: (B, P, D, h, w), target before the ReLU. Both get a gradient.
    """
    return matching_loss(dpc_scores(pred, target))


def score_mask(B: int, P: int, S: int, device: torch.device | None = None) -> Tensor:
    """What each pair of `dpc_scores` is, (B, P, S, B, P, S) int8.

    1 the positive, -1 a temporal negative (same video and place, another step), -3 a
    spatial one (same video, another place), 0 an easy one (another video).
    """
    b, p, s = (torch.eye(n, dtype=torch.bool, device=device) for n in (B, P, S))
    video = b.view(B, 1, 1, B, 1, 1)
    step, place = p.view(1, P, 1, 1, P, 1), s.view(1, 1, S, 1, 1, S)
    same_place = torch.where(step, 1, -1)              # (1, P, 1, 1, P, 1)  -- temporal
    same_video = torch.where(place, same_place, -3)    # (1, P, S, 1, P, S)  -- spatial
    return torch.where(video, same_video, 0).to(torch.int8)  # -- easy


# Training


class DPC(nn.Module):
    """Encoder f on each block alone, then `DPCPredictor`.

    encoder: any module from (B, 3, L, H, W) to (B, D, l, h, w) that ends before its
    ReLU and normalises by the batch alone.
    """

    def __init__(
        self, encoder: nn.Module, dim: int, pred_step: int, dropout: float = 0.1
    ):
        super().__init__()
        self.encoder, self.pred_step = encoder, pred_step
        self.predictor = DPCPredictor(dim, dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Blocks (B, N, 3, L, H, W) to predictions and targets, (B, P, D, h, w)."""
        z = self.encoder(x.flatten(0, 1)).mean(dim=2)  # (BN, D, h, w)  -- f
        z = z.unflatten(0, x.shape[:2])                # (B, N, D, h, w)
        pred = self.predictor(z, self.pred_step)       # (B, P, D, h, w)
        return pred, z[:, -self.pred_step :]           # -- targets before the ReLU


def build(config: Config = TINY) -> DPC:
    """2d3d: the first stages look at single frames, the later ones also in time."""
    encoder = ResNet3d(
        config.widths, config.depths, temporal=config.temporal, strides=config.strides,
        stem=config.stem, final_relu=False, track_running_stats=False,
    )
    return DPC(encoder, encoder.width, config.pred_step, config.dropout)


def training_step(
    model: DPC, batch: Tensor, step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss, and what to watch: `top1`, which is `chance` for a blind guess.

    `easy`: the share that at least names the right video.
    """
    pred, target = model(batch)
    scores = dpc_scores(pred, target)                  # (BPS, BPS)
    loss = matching_loss(scores)
    with torch.no_grad():
        n, named = len(scores), scores.argmax(dim=1)   # (BPS,)
        right, per_video = torch.arange(n, device=named.device), n // len(batch)
        watched = {
            "loss": loss.item(),
            "top1": (named == right).double().mean().item(),
            "easy": (named // per_video == right // per_video).double().mean().item(),
            "chance": 1 / n,
        }
    return loss, watched
