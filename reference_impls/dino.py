"""DINO: a student learns its own moving average's soft classes, and segments unasked.

Paper:    Caron et al., "Emerging Properties in Self-Supervised Vision Transformers",
          ICCV 2021, arXiv 2104.14294
Differs:  1. views are made by BYOL's augmentations as BYOL's authors published them, on
             tensors; the official code takes torchvision's, which scale brightness
             where BYOL adds to it
          2. no stochastic depth (the official student drops up to 0.1 of its paths)
          3. `training_step` stretches the recipe's epochs over the steps it is given
          4. the prototypes' weight norm is written out: the same names and values,
             without the row-by-row copy of the weight
Checked:  facebookresearch/dino@7c446df: loss, centre and gradients over four steps,
          head and schedules to 1e-9, transformer and its attention to 2e-4, masks
          exactly

Shapes:   B images, V views (the first 2 global), K prototypes, D width, N patches,
          T = 1 + N tokens, h heads
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls import byol
from reference_impls.vit import Interpolation, ViT, patch_tokens


@dataclass(frozen=True)
class Config:
    """ViT-S/16 for 300 epochs, the repository's command for a strong single run."""

    out_dim: int = 65536           # K
    hidden: int = 2048
    bottleneck: int = 256
    norm_last_layer: bool = False  # True for ViT-B: safer, a little worse
    student_temp: float = 0.1
    warmup_teacher_temp: float = 0.04
    teacher_temp: float = 0.07
    warmup_teacher_temp_epochs: int = 30
    center_momentum: float = 0.9
    base_momentum: float = 0.996   # of the teacher; 0.9995 for a batch of 256
    freeze_epochs: int = 1         # of the prototypes
    epochs: int = 300
    warmup_epochs: int = 10
    batch: int = 1024
    lr: float = 5e-4               # times batch / 256; AdamW, cosine to 1e-6
    weight_decay: tuple[float, float] = (0.04, 0.4)  # cosine from, to
    clip_grad: float = 3.0         # norm of each parameter's gradient
    n_local: int = 8
    img_size: int = 224
    patch_size: int = 16
    width: int = 384
    depth: int = 12
    heads: int = 6


# For some hundred steps: a slower teacher would hardly leave its random start, and
# warmer targets go flat before views agree on anything.
TINY = Config(
    out_dim=512, hidden=256, bottleneck=64, teacher_temp=0.04,
    warmup_teacher_temp_epochs=3, base_momentum=0.97, epochs=10, batch=32, n_local=4,
    img_size=64, patch_size=8, width=192, depth=6, heads=6,
)


# Views (Sec. 3.1, "multi-crop")

GLOBAL = (replace(byol.T, area=(0.4, 1.0)), replace(byol.T_PRIME, area=(0.4, 1.0)))
LOCAL = byol.Augmentation(blur=0.5, solarize=0.0, area=(0.05, 0.4))


def views(
    images: Tensor, generator: Generator, n_local: int = TINY.n_local
) -> list[Tensor]:
    """Two large crops of each image, then `n_local` small ones of small areas.

    images: (B, 3, H, W) in [0, 1]. Returns 2 of (B, 3, H, H) and n_local of
    (B, 3, S, S), normalised; S is 3/7 of H (96 of 224), cut to a multiple of 8.
    """
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[-2] < 24:
        raise ValueError(
            f"images of shape {tuple(images.shape)}; views takes (B, 3, H, W) in "
            "[0, 1] with H at least 24, so that a local crop holds a patch"
        )
    side = images.shape[-2]
    small = side * 3 // 7 // 8 * 8
    crops = [byol.augment(images, how, side, generator) for how in GLOBAL]  # -- global
    crops += [
        byol.augment(images, LOCAL, small, generator) for _ in range(n_local)
    ]  # -- local
    return [byol.normalize(crop) for crop in crops]


# The network g = h(f(x)) (Sec. 3.1, "network architecture")


class DinoVisionTransformer(ViT):
    """The backbone f: a ViT without a classifier, at any image size.

    Position embeddings are resampled as the authors did, for a grid larger by 0.1.
    """

    interpolation: Interpolation = "dino"

    def __init__(
        self,
        img_size: int = 224,
        patch_size: int = 16,
        embed_dim: int = 384,
        depth: int = 12,
        num_heads: int = 6,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
    ):
        super().__init__(
            img_size, patch_size, embed_dim, depth, num_heads, mlp_ratio,
            qkv_bias=qkv_bias,
        )

    def get_last_selfattention(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to the last layer's weights, (B, h, T, T)."""
        x = self.embed(x)
        for block in self.blocks[:-1]:
            x = block(x)
        last = self.blocks[-1]
        _, weights = last.attn(last.norm1(x), need_weights=True)
        return weights                        # (B, h, T, T)  -- last attention

    def get_intermediate_layers(self, x: Tensor, n: int = 1) -> list[Tensor]:
        """All tokens behind each of the last n layers, each (B, T, D), normalised."""
        if not 1 <= n <= len(self.blocks):
            raise ValueError(f"n={n}; this network has {len(self.blocks)} layers")
        x, outputs = self.embed(x), []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        return [self.norm(tokens) for tokens in outputs[-n:]]


class Prototypes(nn.Module):
    """K directions: a linear map without bias, each row of length `weight_g`.

    The names are those of torch's `weight_norm`, so official heads load.
    """

    def __init__(self, in_dim: int, out_dim: int):
        super().__init__()
        self.weight_g = nn.Parameter(torch.ones(out_dim, 1))
        self.weight_v = nn.Parameter(torch.empty(out_dim, in_dim))
        nn.init.uniform_(self.weight_v, -(in_dim**-0.5), in_dim**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_dim) to (B, K)."""
        length = self.weight_g / self.weight_v.norm(dim=1, keepdim=True)  # (K, 1)
        return F.linear(x, self.weight_v) * length.T      # (B, K)  -- weight norm


class DINOHead(nn.Module):
    """The head h: a small MLP, a point on the sphere, its product with K prototypes.

    norm_last_layer: hold the prototypes' lengths at 1.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        use_bn: bool = False,
        norm_last_layer: bool = True,
        nlayers: int = 3,
        hidden_dim: int = 2048,
        bottleneck_dim: int = 256,
    ):
        super().__init__()
        if nlayers < 1:
            raise ValueError(f"nlayers={nlayers}; a head has one layer or more")
        layers: list[nn.Module] = []
        width = in_dim
        for _ in range(nlayers - 1):
            layers.append(nn.Linear(width, hidden_dim))
            if use_bn:
                layers.append(nn.BatchNorm1d(hidden_dim))
            layers.append(nn.GELU())
            width = hidden_dim
        last = nn.Linear(width, bottleneck_dim)
        self.mlp = nn.Sequential(*layers, last) if layers else last
        for layer in self.mlp.modules():
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        self.norm_last_layer = norm_last_layer
        self.last_layer = Prototypes(bottleneck_dim, out_dim)
        self.freeze_last_layer(False)

    def freeze_last_layer(self, frozen: bool) -> None:
        """Hold the prototypes still, as in the first epoch, or let them learn."""
        self.last_layer.weight_v.requires_grad_(not frozen)
        self.last_layer.weight_g.requires_grad_(not frozen and not self.norm_last_layer)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_dim) to logits (B, K)."""
        x = F.normalize(self.mlp(x), dim=-1)              # (B, bottleneck)  -- sphere
        return self.last_layer(x)                         # (B, K)  -- logits


class Network(nn.Module):
    """Backbone f, then head h, for crops of any sizes."""

    def __init__(self, backbone: nn.Module, head: DINOHead):
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, crops: Sequence[Tensor]) -> Tensor:
        """V crops of one batch to logits (V*B, K), crop by crop.

        Neighbours of one size pass the backbone as one batch.
        """
        sizes = groupby(crops, key=lambda crop: crop.shape[-2:])
        features = [self.backbone(torch.cat(list(same))) for _, same in sizes]
        return self.head(torch.cat(features))             # (V*B, K)


class DINO(nn.Module):
    """Student and teacher, each `backbone` then `head`, and the loss with its centre.

    Call `after_step` behind every optimiser step: nothing else moves the teacher.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: DINOHead,
        loss: DINOLoss,
        base_momentum: float = 0.996,
        freeze_epochs: int = 1,
    ):
        super().__init__()
        self.student = Network(backbone, head)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self.loss = loss
        self.base_momentum, self.freeze_epochs = base_momentum, freeze_epochs

    @property
    def encoder(self) -> nn.Module:
        """What is kept after training: the teacher's backbone."""
        return self.teacher.backbone

    def forward(self, crops: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """V crops to the student's logits (V*B, K) and the teacher's (2*B, K).

        Rows are crop by crop. The teacher sees the two global crops alone.
        """
        student = self.student(crops)                             # (V*B, K)  -- g_s
        with torch.no_grad():
            teacher = self.teacher(crops[:2])                     # (2*B, K)  -- g_t
        return student, teacher


# The loss (Eq. 1 to 4)


def teacher_targets(teacher_logits: Tensor, center: Tensor, temp: float) -> Tensor:
    """Centred, sharpened, and no gradient: (..., K) logits to probabilities."""
    centred = teacher_logits.detach() - center            # -- centring
    return F.softmax(centred / temp, dim=-1)              # -- sharpening


def dino_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    center: Tensor,
    ncrops: int,
    student_temp: float = 0.1,
    teacher_temp: float = 0.04,
) -> Tensor:
    """Cross-entropy of each student's view to the teacher's other view (Eq. 3).

    student_logits: (V*B, K) and teacher_logits: (2*B, K), crop by crop, global crops
    first. center: (1, K), from before this batch. Returns the mean over 2(V-1) pairs.
    """
    B, K = len(teacher_logits) // 2, teacher_logits.shape[-1]
    if ncrops < 2 or student_logits.shape != (ncrops * B, K) or len(teacher_logits) % 2:
        raise ValueError(
            f"{tuple(student_logits.shape)} student and {tuple(teacher_logits.shape)} "
            f"teacher logits do not make {ncrops} and 2 views of one batch; "
            "pass (ncrops*B, K) and (2*B, K) with ncrops at least 2"
        )
    q = teacher_targets(teacher_logits, center, teacher_temp)     # (2*B, K)  -- P_t
    log_p = F.log_softmax(student_logits / student_temp, dim=-1)  # (V*B, K)  -- log P_s
    q = q.view(2, B, K)
    large, small = log_p.view(ncrops, B, K).split([2, ncrops - 2])
    # A global view meets the other one's target, a local view both targets.
    crossed = (q.flip(0) * large).sum((0, 2))             # (B,)  -- global pairs
    local = (q.sum(0) * small.sum(0)).sum(-1)             # (B,)  -- local pairs
    return -(crossed + local).mean() / (2 * (ncrops - 1))  # ()  -- mean


@torch.no_grad()
def update_center(
    center: Tensor, teacher_logits: Tensor, momentum: float = 0.9
) -> Tensor:
    """The running mean of the teacher's logits, over all processes (Eq. 4).

    center: (1, K), teacher_logits: (2*B, K). Returns the new centre; changes nothing.
    """
    total, rows = teacher_logits.sum(0, keepdim=True), len(teacher_logits)  # (1, K)
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(total)
        rows *= dist.get_world_size()                     # -- all processes
    mean = (total / rows).to(center)                      # (1, K)  -- batch mean
    return center * momentum + mean * (1 - momentum)      # (1, K)  -- centre


def teacher_temp_schedule(
    warmup_teacher_temp: float,
    teacher_temp: float,
    warmup_teacher_temp_epochs: int,
    nepochs: int,
) -> np.ndarray:
    """The teacher's temperature, epoch by epoch: linear, then constant. (nepochs,)

    The last warm-up epoch has the final value already.
    """
    if warmup_teacher_temp_epochs > nepochs:
        raise ValueError(
            f"{warmup_teacher_temp_epochs} warm-up epochs do not fit in {nepochs}; "
            "shorten the warm-up"
        )
    warmup = np.linspace(warmup_teacher_temp, teacher_temp, warmup_teacher_temp_epochs)
    rest = np.full(nepochs - warmup_teacher_temp_epochs, teacher_temp)
    return np.concatenate([warmup, rest])


def cosine_scheduler(
    base_value: float,
    final_value: float,
    epochs: int,
    niter_per_ep: int,
    warmup_epochs: int = 0,
    start_warmup_value: float = 0.0,
) -> np.ndarray:
    """Learning rate, weight decay or momentum, step by step. (epochs * niter_per_ep,)

    A linear warm-up that includes both its ends, then a cosine that stops one step
    before the final value.
    """
    warmup_steps, steps = warmup_epochs * niter_per_ep, epochs * niter_per_ep
    if warmup_steps > steps:
        raise ValueError(f"{warmup_epochs} warm-up epochs do not fit in {epochs}")
    warmup = np.linspace(start_warmup_value, base_value, warmup_steps)
    progress = np.arange(steps - warmup_steps) / max(1, steps - warmup_steps)
    cosine = (1 + np.cos(np.pi * progress)) / 2           # 1 down to nearly 0
    return np.concatenate([warmup, final_value + (base_value - final_value) * cosine])


class DINOLoss(nn.Module):
    """The loss with what it remembers: the centre, and the temperature's schedule."""

    center: Tensor

    def __init__(
        self,
        out_dim: int,
        ncrops: int,
        warmup_teacher_temp: float,
        teacher_temp: float,
        warmup_teacher_temp_epochs: int,
        nepochs: int,
        student_temp: float = 0.1,
        center_momentum: float = 0.9,
    ):
        super().__init__()
        self.ncrops, self.student_temp = ncrops, student_temp
        self.center_momentum = center_momentum
        self.teacher_temp_schedule = teacher_temp_schedule(
            warmup_teacher_temp, teacher_temp, warmup_teacher_temp_epochs, nepochs
        )
        self.register_buffer("center", torch.zeros(1, out_dim))

    def forward(self, student: Tensor, teacher: Tensor, epoch: int) -> Tensor:
        """Logits (V*B, K) and (2*B, K) to the loss; the centre moves afterwards."""
        temp = float(self.teacher_temp_schedule[epoch])
        loss = dino_loss(
            student, teacher, self.center, self.ncrops, self.student_temp, temp
        )
        self.center = update_center(self.center, teacher, self.center_momentum)
        return loss


# What the attention shows (Fig. 1 and appendix)


def attention_mass_threshold(attn: Tensor, keep: float = 0.6) -> Tensor:
    """The fewest patches of each head that hold at least `keep` of its attention.

    attn: (..., N), the class token's weights on the patches. Returns a mask (..., N).
    """
    if not 0 < keep <= 1:
        raise ValueError(f"keep={keep}; it is a share of the attention, in (0, 1]")
    value, order = attn.sort(dim=-1)                              # (..., N)  ascending
    value = value / value.sum(dim=-1, keepdim=True)               # -- share
    kept = value.cumsum(dim=-1) > 1 - keep                        # -- mass
    return torch.zeros_like(kept).scatter(-1, order, kept)        # (..., N)  bool


# Training


def build(config: Config = TINY) -> DINO:
    """A whole training model: student, teacher and loss."""
    c = config
    return DINO(
        DinoVisionTransformer(c.img_size, c.patch_size, c.width, c.depth, c.heads),
        DINOHead(
            c.width, c.out_dim, norm_last_layer=c.norm_last_layer, hidden_dim=c.hidden,
            bottleneck_dim=c.bottleneck,
        ),
        DINOLoss(
            c.out_dim, 2 + c.n_local, c.warmup_teacher_temp, c.teacher_temp,
            c.warmup_teacher_temp_epochs, c.epochs, c.student_temp, c.center_momentum,
        ),
        c.base_momentum,
        c.freeze_epochs,
    )


def training_step(
    model: DINO, batch: Sequence[Tensor], step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss, and what to watch for the two collapses (see `target_use`)."""
    schedule = model.loss.teacher_temp_schedule
    epoch = min(step * len(schedule) // steps, len(schedule) - 1)
    model.student.head.freeze_last_layer(epoch < model.freeze_epochs)
    student, teacher = model(batch)
    q = teacher_targets(teacher, model.loss.center, float(schedule[epoch]))  # (2*B, K)
    loss = model.loss(student, teacher, epoch)
    return loss, {"loss": loss.item()} | target_use(q)


def after_step(model: DINO, step: int, steps: int) -> None:
    """The teacher follows the student, after the optimiser's step."""
    momentum = float(byol.cosine_tau(step, steps, model.base_momentum))
    byol.ema_update(model.teacher, model.student, momentum)       # -- teacher follows


@torch.no_grad()
def target_use(q: Tensor) -> dict[str, float]:
    """How many prototypes one target spreads over, and how many the batch uses.

    q: (M, K) probabilities. Both are exp(entropy), from 1 to K. A batch that uses 1
    has one dimension dominating; targets that spread over K say nothing (Fig. 7).
    """
    def entropy(p: Tensor) -> Tensor:
        return torch.special.entr(p).sum(-1)

    spread, used = entropy(q).mean().exp(), entropy(q.mean(0)).exp()
    return {"spread": spread.item(), "used": used.item()}


def features(model: DINO, images: Tensor) -> Tensor:
    """Patch tokens of the teacher. images: (B, 3, H, W), normalised.

    Returns (B, N, D), after the final norm, without the class token.
    """
    return patch_tokens(model.encoder, images)
