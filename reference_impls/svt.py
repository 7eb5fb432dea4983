"""SVT: clips of one video at other speeds, lengths and sizes must mean the same.

Paper:    Ranasinghe et al., "Self-Supervised Video Transformer", CVPR 2022,
          arXiv 2112.01514
Differs:  1. positions for views of other sizes and lengths are interpolated (bicubic in
             space, linear in time); the official code repeats the nearest
          2. the global views span the whole clip; upstream trims 5 frames off one end
             of each. Frame counts are those of its option for varying frame rates
          3. all layers of time attention start like the others; the official code
             starts the map behind them at zero, from the second layer on
          4. no stochastic depth (the official student drops up to 0.1 of its paths)
          5. colour jitter draws brightness, contrast, saturation (and no hue) as SimCLR
             does here; no blur and no solarising: the authors found them negligible
Checked:  kahnchana/svt@1827106: loss, its two parts and the centre to 1e-4

Shapes:   B clips, V views (the first 2 global), K prototypes, C width, D heads' width,
          N patches of a frame, T frames
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls.brave import augment_clips, normalize_clips
from reference_impls.byol import cosine_tau, ema_update
from reference_impls.dino import (
    DINOHead,
    target_use,
    teacher_targets,
    update_center,
)
from reference_impls.simclr import Augmentation, draw
from reference_impls.vit import Attention, Block, PatchEmbed, interpolate_pos_embed


@dataclass(frozen=True)
class Config:
    """The released configuration: ViT-B/16 with divided attention."""

    out_dim: int = 65536           # K
    hidden: int = 2048             # of the head
    bottleneck: int = 256
    student_temp: float = 0.1
    teacher_temp: float = 0.04
    center_momentum: float = 0.9
    base_momentum: float = 0.996   # of the teacher
    global_frames: tuple[int, int] = (4, 8)  # of the whole clip: two frame rates
    local_frames: tuple[int, ...] = (2, 2, 4, 4, 8, 8, 16, 16)  # a local view each
    local_span: float = 0.125      # share of the clip's time that a local view covers
    local_size: int = 96           # pixels
    frames: int = 128              # a clip has at least as many, for 16 different ones
    img_size: int = 224
    patch_size: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12
    batch: int = 32                # 8 on each of 4 devices
    lr: float = 5e-4               # AdamW
    weight_decay: tuple[float, float] = (0.04, 0.4)  # cosine from, to
    clip_grad: float = 3.0


TINY = Config(
    out_dim=256, hidden=128, bottleneck=32, base_momentum=0.99, local_frames=(2, 4),
    local_span=0.5, local_size=16, frames=8, img_size=32, patch_size=8, width=48,
    depth=3, heads=3, batch=4,
)


# Views: global ones at two frame rates, local ones short and small (Sec. 3.2)

GLOBAL = Augmentation(
    area=(0.4, 1.0), brightness=0.4, contrast=0.4, saturation=0.2, hue=0.0, blur=0.0
)
LOCAL = Augmentation(
    area=(0.05, 0.4), brightness=0.4, contrast=0.4, saturation=0.2, hue=0.0, blur=0.0
)


def sample_frames(
    clips: Tensor, frames: int, span: float, generator: Generator
) -> Tensor:
    """`frames` of them, evenly over a window that covers `span` of each clip's time.

    clips: (B, 3, T, H, W). Every clip's window starts anywhere that fits.
    Returns (B, 3, frames, H, W).
    """
    B, T = len(clips), clips.shape[2]
    length = span * (T - 1)                                       # in steps of a frame
    start = draw(generator, (B, 1), clips) * (T - 1 - length)     # (B, 1)
    rate = length / max(1, frames - 1)                            # steps between two
    rows = (start + rate * torch.arange(frames).to(clips)).round().long()  # (B, frames)
    picked = clips.transpose(1, 2)[torch.arange(B)[:, None], rows]  # -- picked
    return picked.transpose(1, 2)                                 # (B, 3, frames, H, W)


def clip_views(
    clips: Tensor, generator: Generator, config: Config = TINY
) -> list[Tensor]:
    """Two global views of each clip, then a local one for each of `local_frames`.

    clips: (B, 3, T, H, W) in [0, 1], T at least config.frames. Returns tensors of
    (B, 3, frames, S, S), normalised; S is img_size for the global views.
    """
    if clips.ndim != 5 or clips.shape[2] < config.frames:
        raise ValueError(
            f"clips of shape {tuple(clips.shape)}; give (B, 3, T, H, W) with T at "
            f"least {config.frames} frames"
        )
    views = []
    for frames in config.global_frames:
        whole = sample_frames(clips, frames, 1.0, generator)      # -- global views
        views.append(augment_clips(whole, GLOBAL, config.img_size, generator))
    for frames in config.local_frames:
        part = sample_frames(clips, frames, config.local_span, generator)  # -- local
        views.append(augment_clips(part, LOCAL, config.local_size, generator))
    return [normalize_clips(view) for view in views]


# The network: a ViT that attends in time, then in space (Sec. 3.1)


class SpaceTimeBlock(Block):
    """Divided attention: a patch looks along time, then around its frame, then thinks.

    (TimeSformer; Bertasius, Wang & Torresani, arXiv 2102.05095.)
    """

    def __init__(self, dim: int, heads: int, mlp_ratio: float = 4.0):
        super().__init__(dim, heads, mlp_ratio)
        self.temporal_norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.temporal_attn = Attention(dim, heads)
        self.temporal_fc = nn.Linear(dim, dim)

    def forward(self, x: Tensor, frames: int = 1) -> Tensor:
        """(B, 1 + N T, C): the class token, then patch by patch its T frames."""
        (B, _, C), T = x.shape, frames
        cls, x = x[:, :1], x[:, 1:].reshape(-1, T, C)             # (B N, T, C)
        mixed, _ = self.temporal_attn(self.temporal_norm1(x))     # -- time
        x = x + self.temporal_fc(mixed)
        x = x.view(B, -1, T, C).transpose(1, 2)                   # (B, T, N, C)
        # Each frame has a copy of the class token; their answers are averaged.
        copies = cls[:, None].expand(-1, T, -1, -1)               # (B, T, 1, C)
        x = torch.cat([copies, x], dim=2).flatten(0, 1)           # (B T, 1 + N, C)
        x = x + self.attn(self.norm1(x))[0]                       # -- space
        x = x.view(B, T, -1, C)                                   # (B, T, 1 + N, C)
        cls = x[:, :, 0].mean(dim=1, keepdim=True)                # (B, 1, C)  -- class
        x = x[:, :, 1:].transpose(1, 2).flatten(1, 2)             # (B, N T, C)
        x = torch.cat([cls, x], dim=1)                            # (B, 1 + N T, C)
        return x + self.mlp(self.norm2(x))


class SpaceTimeTransformer(nn.Module):
    """Clips of any length and size to (B, C), the class token behind the last norm."""

    def __init__(
        self,
        img_size: int = 224,
        patch_size: int = 16,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        num_frames: int = 8,
    ):
        super().__init__()
        self.patch_size, self.grid = patch_size, img_size // patch_size
        self.patch_embed = PatchEmbed(patch_size, embed_dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.grid**2, embed_dim))
        self.time_embed = nn.Parameter(torch.zeros(1, num_frames, embed_dim))
        self.blocks = nn.ModuleList(
            SpaceTimeBlock(embed_dim, num_heads) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(embed_dim, eps=1e-6)
        for table in (self.cls_token, self.pos_embed):
            nn.init.trunc_normal_(table, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def positions(self, frames: int, hw: tuple[int, int]) -> Tensor:
        """Where and when, for any grid and any number of frames: (1, 1 + N T, C)."""
        place = interpolate_pos_embed(self.pos_embed, hw)         # (1, 1 + N, C)
        time = self.time_embed.transpose(1, 2)                    # (1, C, num_frames)
        time = F.interpolate(time, size=frames, mode="linear")    # -- dynamic
        time = time.transpose(1, 2)                               # (1, T, C)
        both = place[:, 1:, None] + time[:, None]                 # (1, N, T, C)
        return torch.cat([place[:, :1], both.flatten(1, 2)], dim=1)

    def embed(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) to tokens with positions, (B, 1 + N T, C)."""
        if clips.ndim != 5:
            raise ValueError(f"shape {tuple(clips.shape)}; give clips (B, 3, T, H, W)")
        B, _, T, H, W = clips.shape
        x = self.patch_embed(clips.transpose(1, 2).flatten(0, 1))  # (B T, N, C)
        x = x.unflatten(0, (B, T)).transpose(1, 2).flatten(1, 2)  # (B, N T, C)
        x = torch.cat([self.cls_token.expand(B, -1, -1), x], dim=1)
        return x + self.positions(T, (H // self.patch_size, W // self.patch_size))

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) to (B, C)."""
        x, frames = self.embed(clips), clips.shape[2]
        for block in self.blocks:
            x = block(x, frames)
        return self.norm(x[:, 0])                                 # (B, C)


class Network(nn.Module):
    """Backbone f, then head h, for views of any lengths and sizes."""

    def __init__(self, backbone: nn.Module, head: DINOHead):
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, views: Sequence[Tensor]) -> Tensor:
        """V views of one batch to logits (V B, K), view by view."""
        alike = groupby(views, key=lambda view: view.shape[2:])
        features = [self.backbone(torch.cat(list(same))) for _, same in alike]
        return self.head(torch.cat(features))                     # (V B, K)


class SVT(nn.Module):
    """Student, teacher and the teacher's centre.

    Call `after_step` behind every optimiser step: nothing else moves the teacher.
    """

    center: Tensor

    def __init__(self, backbone: nn.Module, head: DINOHead, config: Config = TINY):
        super().__init__()
        self.student = Network(backbone, head)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self.config = config
        self.register_buffer("center", torch.zeros(1, config.out_dim))

    @property
    def encoder(self) -> nn.Module:
        """What is kept after training: the teacher's backbone."""
        return self.teacher.backbone

    def forward(self, views: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Views to the student's logits (V B, K) and the teacher's (2 B, K)."""
        student = self.student(views)                             # (V B, K)
        with torch.no_grad():
            teacher = self.teacher(views[:2])                     # (2 B, K)  -- teacher
        return student, teacher


# The loss (Eq. 1 to 3)


def view_losses(q: Tensor, log_p: Tensor) -> tuple[Tensor, Tensor]:
    """The two correspondences, each a mean cross-entropy over its pairs of views.

    q: (2, B, K) targets; log_p: (V, B, K). Motion: a global view, the teacher's other
    one. Cross-view: a local view, each of the teacher's; 0 where none are local.
    """
    n_local = len(log_p) - 2
    whole, local = log_p.split((2, n_local))                      # (V-2, B, K)
    motion = (q.flip(0) * whole).sum(-1).mean()                   # ()  -- motion
    # The sum over pairs is a product of sums.
    pairs = (q.sum(0) * local.sum(0)).sum(-1).mean()
    cross = pairs / max(1, 2 * n_local)                           # ()  -- cross-view
    return -motion, -cross


def svt_loss(
    student: Tensor,
    teacher: Tensor,
    center: Tensor,
    n_crops: int,
    student_temp: float = 0.1,
    teacher_temp: float = 0.04,
    center_momentum: float = 0.9,
) -> tuple[Tensor, Tensor]:
    """Each of the student's views against each other global view of the teacher.

    student: (V B, K) and teacher: (2 B, K) logits, view by view, global views first.
    center: (1, K), from before this batch. Returns the mean over 2 (V - 1) pairs, and
    the centre for the next batch (of all processes together).
    """
    B, K, V = len(teacher) // 2, teacher.shape[-1], n_crops
    if V < 2 or student.shape != (V * B, K) or len(teacher) % 2:
        raise ValueError(
            f"{tuple(student.shape)} student and {tuple(teacher.shape)} teacher logits "
            f"do not make {V} and 2 views of one batch; pass (n_crops*B, K) and "
            "(2*B, K) with n_crops at least 2"
        )
    q = teacher_targets(teacher, center, teacher_temp).view(2, B, K)     # -- targets
    log_p = F.log_softmax(student / student_temp, dim=-1).view(V, B, K)  # -- log p
    motion, cross = view_losses(q, log_p)
    loss = (motion + (V - 2) * cross) / (V - 1)                   # ()  -- all pairs
    return loss, update_center(center, teacher, center_momentum)  # -- centre


# Training


def build(config: Config = TINY) -> SVT:
    """A whole training model; time positions for the faster of the global views."""
    c = config
    backbone = SpaceTimeTransformer(
        c.img_size, c.patch_size, c.width, c.depth, c.heads, max(c.global_frames)
    )
    head = DINOHead(
        c.width, c.out_dim, norm_last_layer=False, hidden_dim=c.hidden,
        bottleneck_dim=c.bottleneck,
    )
    return SVT(backbone, head, config)


def training_step(
    model: SVT, batch: Sequence[Tensor], step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss; the centre moves. For what is watched see `dino.target_use`."""
    c = model.config
    student, teacher = model(batch)
    q = teacher_targets(teacher, model.center, c.teacher_temp)    # (2 B, K)
    loss, model.center = svt_loss(
        student, teacher, model.center, len(batch), c.student_temp, c.teacher_temp,
        c.center_momentum,
    )
    return loss, {"loss": loss.item()} | target_use(q)


def after_step(model: SVT, step: int, steps: int) -> None:
    """The teacher follows the student, after the optimiser's step."""
    momentum = float(cosine_tau(step, steps, model.config.base_momentum))
    ema_update(model.teacher, model.student, momentum)            # -- teacher follows
