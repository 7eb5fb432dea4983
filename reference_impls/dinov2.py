"""DINOv2: DINO for whole images, iBOT for hidden patches, and features spread apart.

Paper:    Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision",
          TMLR 2024, arXiv 2304.07193; iBOT: Zhou et al., ICLR 2022, arXiv 2111.07832;
          KoLeo: Sablayrolles et al., ICLR 2019, arXiv 1806.03198
Differs:  1. views are made by BYOL's augmentations on tensors, as in `dino`
          2. GELU feed-forward layers; the paper's largest model has SwiGLU
          3. the data (LVD-142M), the last phase at 518 pixels and the distillation of
             the smaller models are not here: this is one pretraining run
          4. the patches' centre is the mean over all hidden patches of all processes;
             the official code averages each process's mean
          5. Sinkhorn-Knopp is `swav`'s, with what differs there
Checked:  facebookresearch/dinov2@b8931f7: losses, centres and gradients to 1e-9,
          Sinkhorn-Knopp to 5e-5; lightly 1.6.0: iBOT and KoLeo to 1e-9

Shapes:   B images, V local views of each, N patches, M hidden patches, T tokens,
          K prototypes, D width
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls import byol
from reference_impls.deit3 import LayerScaleBlock
from reference_impls.dino import DINOHead, target_use, teacher_targets
from reference_impls.simclr import normalize
from reference_impls.swav import over_processes, sinkhorn_knopp
from reference_impls.vit import Block, Interpolation, ViT, patch_tokens


@dataclass(frozen=True)
class Config:
    """ViT-L/16 on ImageNet-1k, the official repository's default configuration."""

    out_dim: int = 65536           # K; 131072 for ViT-g
    hidden: int = 2048
    bottleneck: int = 256          # 384 for ViT-g
    separate_head: bool = False    # patches have a head of their own; True for ViT-g
    centering: Literal["softmax", "sinkhorn_knopp"] = "softmax"  # the other for ViT-g
    center_momentum: float = 0.9
    student_temp: float = 0.1
    warmup_teacher_temp: float = 0.04
    teacher_temp: float = 0.07
    warmup_teacher_temp_epochs: int = 30
    ibot_weight: float = 1.0
    koleo_weight: float = 0.1
    mask_share: float = 0.5        # of the global crops
    mask_ratio: tuple[float, float] = (0.1, 0.5)  # of such a crop's patches
    base_momentum: float = 0.992   # of the teacher
    freeze_epochs: int = 1         # of the prototypes
    epochs: int = 100              # of 1250 steps
    warmup_epochs: int = 10
    batch: int = 2048
    lr: float = 4e-3               # times sqrt(batch / 1024); AdamW, cosine to 1e-6
    layer_decay: float = 0.9       # of the learning rate, from layer to layer
    patch_embed_lr: float = 0.2    # times the learning rate
    weight_decay: tuple[float, float] = (0.04, 0.4)  # cosine from, to
    clip_grad: float = 3.0
    n_local: int = 8               # V
    img_size: int = 224
    patch_size: int = 16
    width: int = 1024
    depth: int = 24
    heads: int = 16
    init_values: float = 1e-5      # LayerScale
    drop_path: float = 0.3         # the same in every layer


TINY = Config(
    out_dim=512, hidden=256, bottleneck=64, warmup_teacher_temp_epochs=3,
    base_momentum=0.99, epochs=10, batch=32, n_local=4, img_size=64, patch_size=8,
    width=192, depth=6, heads=6, init_values=0.1, drop_path=0.1,
)


# Views and masks (Sec. 4; iBOT's appendix)

GLOBAL = (replace(byol.T, area=(0.32, 1.0)), replace(byol.T_PRIME, area=(0.32, 1.0)))
LOCAL = byol.Augmentation(blur=0.5, solarize=0.0, area=(0.05, 0.32))

Batch = tuple[list[Tensor], Tensor]


def views(
    images: Tensor,
    generator: Generator,
    n_local: int = TINY.n_local,
    patch_size: int = TINY.patch_size,
) -> Batch:
    """Two global crops of each image, `n_local` local ones, and what to hide.

    images: (B, 3, H, W) in [0, 1]. Returns 2 crops (B, 3, H, H) and n_local crops
    (B, 3, S, S), normalised, S at most 3/7 of H; and masks (2B, N) for the global
    crops, crop by crop, True where a patch is hidden from the student.
    """
    side = images.shape[-2]
    small = side * 3 // 7 // patch_size * patch_size
    if images.ndim != 4 or images.shape[1] != 3 or side % patch_size or not small:
        raise ValueError(
            f"images of shape {tuple(images.shape)}; views takes (B, 3, H, W) in "
            f"[0, 1], H a multiple of the patch size {patch_size} and 3 times as large"
        )
    crops = [byol.augment(images, how, side, generator) for how in GLOBAL]  # -- global
    crops += [
        byol.augment(images, LOCAL, small, generator) for _ in range(n_local)
    ]  # -- local
    grid = (side // patch_size,) * 2
    masks = random_masks(2 * len(images), grid, generator).to(images.device)
    return [normalize(crop) for crop in crops], masks


def block_mask(
    grid: tuple[int, int],
    target: int,
    generator: Generator,
    min_block: int = 4,
    min_aspect: float = 0.3,
) -> Tensor:
    """Rectangle after rectangle, until `target` patches are hidden (BEiT, Alg. 1).

    Areas are uniform, from min_block to what is missing and at most half the grid;
    logarithms of aspects too. Rectangles may overlap. Ends early where ten draws in a
    row do not fit. Returns (rows, columns), bool, True is hidden.
    """
    H, W = grid
    mask, missing = torch.zeros(H, W, dtype=torch.bool), target
    while missing > 0:
        room = min(missing, H * W // 2)
        draws = torch.rand(10, 4, generator=generator, device=generator.device)
        for u_area, u_aspect, u_top, u_left in draws.tolist():
            area = min_block + u_area * (room - min_block)         # -- area
            aspect = min_aspect ** (2 * u_aspect - 1)              # -- aspect
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            top, left = int(u_top * (H - h + 1)), int(u_left * (W - w + 1))
            block = mask[top : top + h, left : left + w]
            new = h * w - int(block.sum())
            if h < H and w < W and 0 < new <= room:
                block.fill_(True)                                  # -- hide
                missing -= new
                break
        else:
            break
    return mask


def random_masks(
    count: int,
    grid: tuple[int, int],
    generator: Generator,
    share: float = TINY.mask_share,
    ratio: tuple[float, float] = TINY.mask_ratio,
) -> Tensor:
    """Block-wise masks for a share of `count` crops, none for the rest.

    The masked crops divide `ratio` into equal intervals, one each, so that every batch
    holds easy and hard ones. Returns (count, N), bool, True is hidden.
    """
    if not 0 <= ratio[0] <= ratio[1] <= 1 or not 0 <= share <= 1:
        raise ValueError(f"share={share} and ratio={ratio} are shares, from 0 to 1")
    masked, N = int(count * share), grid[0] * grid[1]
    where = generator.device
    u = torch.rand(masked, generator=generator, device=where).tolist()
    widths = [(i + u[i]) / masked for i in range(masked)]
    ratios = [ratio[0] + (ratio[1] - ratio[0]) * width for width in widths]  # -- ratios
    targets = [int(N * r) for r in ratios] + [0] * (count - masked)
    masks = torch.stack([block_mask(grid, n, generator) for n in targets]).flatten(1)
    order = torch.randperm(count, generator=generator, device=where).cpu()
    return masks[order]                                            # (count, N)


# The network


class DinoVisionTransformer(ViT):
    """A ViT with LayerScale that can have patches hidden from it.

    Loads the official files, whose names are these and timm's. init_values: None is
    without LayerScale.
    """

    interpolation: Interpolation = "dino"

    def __init__(
        self,
        img_size: int = 224,
        patch_size: int = 14,
        embed_dim: int = 384,
        depth: int = 12,
        num_heads: int = 6,
        mlp_ratio: float = 4.0,
        init_values: float | None = 1e-5,
        drop_path: float = 0.0,
    ):
        super().__init__(img_size, patch_size, embed_dim, 0, num_heads, mlp_ratio)
        layer = (embed_dim, num_heads, mlp_ratio)
        self.blocks = nn.ModuleList(
            Block(*layer) if init_values is None
            else LayerScaleBlock(*layer, init_values, drop_path) for _ in range(depth)
        )
        self.mask_token = nn.Parameter(torch.zeros(1, embed_dim))
        self._init_weights()

    def embed(self, x: Tensor, masks: Tensor | None = None) -> Tensor:
        """(B, 3, H, W) to (B, T, D); masks: (B, N) bool, True where hidden.

        A hidden patch keeps its place and loses its content.
        """
        tokens = super().embed(x)                                  # (B, T, D)
        if masks is None:
            return tokens
        hw = (x.shape[-2] // self.patch_size, x.shape[-1] // self.patch_size)
        N = hw[0] * hw[1]
        if masks.shape != (len(x), N) or masks.dtype != torch.bool:
            raise ValueError(
                f"masks of shape {tuple(masks.shape)} and type {masks.dtype}; give one "
                f"bool for each patch, ({len(x)}, {N})"
            )
        hidden = self.mask_token + self.positions(hw)[:, -N:]      # (1, N, D)
        patches = torch.where(masks[..., None], hidden, tokens[:, -N:])  # -- mask token
        return torch.cat([tokens[:, :-N], patches], dim=1)         # (B, T, D)

    def forward_features(self, x: Tensor, masks: Tensor | None = None) -> Tensor:
        """(B, 3, H, W) to the tokens after the final norm, (B, T, D)."""
        x = self.embed(x, masks)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)                                        # (B, T, D)


class Network(nn.Module):
    """Backbone, and the heads: for the class token, and for patches.

    ibot_head: None where the patches share the class token's head.
    """

    def __init__(
        self,
        backbone: DinoVisionTransformer,
        dino_head: DINOHead,
        ibot_head: DINOHead | None,
    ):
        super().__init__()
        self.backbone, self.dino_head = backbone, dino_head
        self.ibot_head = ibot_head

    def freeze_prototypes(self, frozen: bool) -> None:
        """Hold the prototypes still, as in the first epoch, or let them learn."""
        for head in (self.dino_head, self.ibot_head):
            if head is not None:
                head.freeze_last_layer(frozen)

    def tokens(self, x: Tensor, masks: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Crops (B, 3, H, W) to class tokens (B, D) and patches (B, N, D)."""
        tokens = self.backbone.forward_features(x, masks)          # (B, T, D)
        return tokens[:, 0], tokens[:, self.backbone.num_prefix :]

    def heads(self, cls: Tensor, patches: Tensor) -> tuple[Tensor, Tensor]:
        """(R, D) and (M, D) to logits (R, K) and (M, K)."""
        if self.ibot_head is not None:
            return self.dino_head(cls), self.ibot_head(patches)
        both = self.dino_head(torch.cat([cls, patches]))           # (R + M, K)
        return both[: len(cls)], both[len(cls) :]


class Logits(NamedTuple):
    """What the losses need, all crop by crop; patches are the hidden ones alone."""

    student_cls: Tensor       # (2B, D), before the head
    student_global: Tensor    # (2B, K)
    student_local: Tensor     # (VB, K)
    student_patches: Tensor   # (M, K)
    teacher_global: Tensor    # (2B, K)
    teacher_patches: Tensor   # (M, K)


class DINOv2(nn.Module):
    """Student, teacher, and the running centres of the teacher's logits.

    Call `after_step` behind every optimiser step: nothing else moves the teacher.
    """

    dino_center: Tensor
    ibot_center: Tensor

    def __init__(
        self,
        backbone: DinoVisionTransformer,
        dino_head: DINOHead,
        ibot_head: DINOHead | None = None,
        config: Config = Config(),
    ):
        super().__init__()
        self.config = config
        self.student = Network(backbone, dino_head, ibot_head)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False).eval()
        self.register_buffer("dino_center", torch.zeros(1, config.out_dim))
        self.register_buffer("ibot_center", torch.zeros(1, config.out_dim))

    @property
    def encoder(self) -> nn.Module:
        """What is kept after training: the teacher's backbone."""
        return self.teacher.backbone

    def train(self, mode: bool = True) -> Self:
        """The student alone drops paths."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, crops: Sequence[Tensor], masks: Tensor) -> Logits:
        """2 global and V local crops, and masks (2B, N), to both networks' logits.

        The student sees global crops with holes, the teacher sees them whole.
        """
        if len(crops) < 3:
            raise ValueError(f"{len(crops)} crops; give 2 global and 1 local or more")
        large, small = torch.cat(list(crops[:2])), torch.cat(list(crops[2:]))
        cls, patches = self.student.tokens(large, masks)           # (2B, D), (2B, N, D)
        local, _ = self.student.tokens(small)                      # (VB, D)
        logits, student_patches = self.student.heads(
            torch.cat([cls, local]), patches[masks]
        )                                                          # -- g_s
        with torch.no_grad():
            teacher_cls, whole = self.teacher.tokens(large)
            teacher = self.teacher.heads(teacher_cls, whole[masks])  # -- g_t
        student_global, student_local = logits.split([len(cls), len(local)])
        return Logits(cls, student_global, student_local, student_patches, *teacher)

    @torch.no_grad()
    def targets(self, logits: Tensor, center: Tensor, temp: float) -> Tensor:
        """The teacher's logits (R, K) to probabilities, kept from collapsing."""
        if self.config.centering == "sinkhorn_knopp":
            return sinkhorn_knopp_teacher(logits, temp)
        return teacher_targets(logits, center, temp)


# Targets (Sec. 4, "Sinkhorn-Knopp centering")


@torch.no_grad()
def sinkhorn_knopp_teacher(
    teacher_logits: Tensor, teacher_temp: float, n_iters: int = 3
) -> Tensor:
    """Targets that use every prototype equally often over the batch of all processes.

    SwAV's codes, the teacher's temperature in place of epsilon. teacher_logits: (R, K),
    rows may be of different number in each process. Returns probabilities (R, K), in
    single precision at least.
    """
    if teacher_temp <= 0 or n_iters < 1:
        raise ValueError(
            f"teacher_temp={teacher_temp}, n_iters={n_iters}; the temperature is above "
            "0 and one iteration is the least"
        )
    logits = teacher_logits.to(torch.promote_types(teacher_logits.dtype, torch.float32))
    return sinkhorn_knopp(logits, teacher_temp, n_iters)           # (R, K)  -- codes


@torch.no_grad()
def update_center(
    center: Tensor, teacher_logits: Tensor, momentum: float = 0.9
) -> Tensor:
    """The running mean of the teacher's logits over all rows of all processes.

    center: (1, K), teacher_logits: (R, K). Returns the new centre; changes nothing.
    """
    rows = teacher_logits.new_tensor([len(teacher_logits)], dtype=center.dtype)
    sums = torch.cat([teacher_logits.sum(0).to(center), rows])     # (K + 1,)
    total = over_processes(sums)
    mean = total[None, :-1] / total[-1].clamp(min=1)               # (1, K)  -- mean
    return center * momentum + mean * (1 - momentum)               # (1, K)  -- centre


# The three losses (Sec. 4)


def cross_entropy(student_logits: Tensor, targets: Tensor, temp: float) -> Tensor:
    """- sum over prototypes of p_t log p_s: (..., K) twice to (...)."""
    if student_logits.shape != targets.shape or temp <= 0:
        raise ValueError(
            f"{tuple(student_logits.shape)} student logits, {tuple(targets.shape)} "
            f"targets, temperature {temp}; shapes are equal, the temperature above 0"
        )
    log_p = F.log_softmax(student_logits / temp, dim=-1)           # (..., K)  -- p_s
    return -(targets.detach() * log_p).sum(dim=-1)                 # (...)  -- H


def dinov2_dino_terms(
    student_local: Tensor,
    student_global: Tensor,
    targets: Tensor,
    student_temp: float = 0.1,
) -> tuple[Tensor, Tensor]:
    """The image-level loss in two parts, from local and from global views.

    student_local: (VB, K), student_global: (2B, K); targets: the teacher's
    probabilities (2B, K), crop by crop. The sum of the parts is DINO's mean over
    2V + 2 pairs of views.
    """
    B, K = len(targets) // 2, targets.shape[-1]
    if len(student_local) % B or student_local.shape[-1] != K:
        raise ValueError(
            f"{tuple(student_local.shape)} local logits for {B} images and {K} "
            "prototypes; pass (V*B, K)"
        )
    q = targets.view(2, B, K)
    crossed = q.flip(0).reshape(2 * B, K)                          # -- the other view
    across = cross_entropy(student_global, crossed, student_temp)  # (2B,)  -- global
    log_p = F.log_softmax(student_local / student_temp, dim=-1)    # (VB, K)
    # A sum over pairs of views is a product of sums over views.
    local = -(q.sum(0) * log_p.view(-1, B, K).sum(0)).sum(-1)      # (B,)  -- local
    pairs = 2 + 2 * (len(student_local) // B)
    return local.mean() / pairs, 2 * across.mean() / pairs


def dinov2_dino_loss(
    student_local: Tensor,
    student_global: Tensor,
    teacher_global: Tensor,
    center: Tensor,
    n_local: int,
    teacher_temp: float,
    student_temp: float = 0.1,
) -> Tensor:
    """L_DINO with centred targets: every student's view against the other global views.

    student_local: (n_local*B, K), student_global and teacher_global: (2B, K), crop by
    crop; center: (1, K), from before this batch. Returns a scalar.
    """
    if len(student_local) * 2 != n_local * len(teacher_global):
        raise ValueError(
            f"{len(student_local)} rows are not {n_local} local views of the images "
            f"that have {len(teacher_global)} global ones"
        )
    targets = teacher_targets(teacher_global, center, teacher_temp)
    local, across = dinov2_dino_terms(
        student_local, student_global, targets, student_temp
    )
    return local + across                                          # ()  -- L_DINO


def ibot_patch_loss(
    student_logits: Tensor,
    teacher_probs: Tensor,
    mask: Tensor,
    student_temp: float = 0.1,
) -> Tensor:
    """L_iBOT: say what the teacher sees where the student sees a hole.

    student_logits, teacher_probs: (M, K), the hidden patches in row-major order of
    mask, (B, N) bool. Each image's patches are averaged, then all B crops, those
    without a hole among them.
    """
    if mask.ndim != 2 or mask.dtype != torch.bool or student_logits.ndim != 2:
        raise ValueError(
            f"mask {tuple(mask.shape)} of {mask.dtype} and logits "
            f"{tuple(student_logits.shape)}; pass (B, N) bool and (M, K), "
            "for instance logits[mask]"
        )
    loss = cross_entropy(student_logits, teacher_probs, student_temp)  # (M,)
    count = mask.sum(dim=1)                                        # (B,)  -- |M_b|
    row = torch.arange(len(loss), device=loss.device)
    image = torch.searchsorted(count.cumsum(0), row, right=True)   # (M,)  whose patch
    weight = (1 / count)[image].to(loss.dtype)    # single precision, as the official's
    return (loss * weight).sum() / len(mask)                       # ()  -- L_iBOT


def ibot_patch_loss_dense(
    student_logits: Tensor,
    teacher_probs: Tensor,
    mask: Tensor,
    student_temp: float = 0.1,
) -> Tensor:
    """The same from all patches: (B, N, K) twice, and mask (B, N) chooses."""
    if mask.shape != student_logits.shape[:2]:
        raise ValueError(
            f"mask {tuple(mask.shape)} for logits {tuple(student_logits.shape)}; "
            "pass (B, N) and (B, N, K)"
        )
    loss = cross_entropy(student_logits, teacher_probs, student_temp)  # (B, N)
    chosen = mask.to(loss.dtype)
    return ((loss * chosen).sum(1) / chosen.sum(1).clamp(min=1)).mean()


def nearest_neighbour(x: Tensor) -> Tensor:
    """Each row's most similar other row. x: (B, D), of unit length, to (B,) long."""
    with torch.no_grad():
        similarity = x @ x.T                                       # (B, B)
        similarity.fill_diagonal_(-2)                              # -- not itself
        return similarity.argmax(dim=1)                            # (B,)  -- nearest


def koleo_loss(x: Tensor, eps: float = 1e-8) -> Tensor:
    """L_KoLeo: push every point away from its nearest neighbour in the batch.

    x: (B, D), not normalised, B at least 2; eps keeps logarithm and lengths above 0,
    the distance has its own. The gradient moves both points. The push grows as 1 / d:
    copies of an image in a batch dominate it.
    """
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"x is {tuple(x.shape)}; a neighbour takes 2 rows, (B, D)")
    with torch.autocast(x.device.type, enabled=False):
        x = F.normalize(x, dim=1, eps=eps)
        neighbour = x.index_select(0, nearest_neighbour(x))        # (B, D)
        distance = F.pairwise_distance(x, neighbour, eps=1e-8)     # (B,)  -- d_i
        return -(distance + eps).log().mean()                      # ()  -- L_KoLeo


# Training


def build(config: Config = TINY) -> DINOv2:
    """A whole training model: student, teacher and centres."""
    c = config
    backbone = DinoVisionTransformer(
        c.img_size, c.patch_size, c.width, c.depth, c.heads,
        init_values=c.init_values, drop_path=c.drop_path,
    )
    return with_heads(backbone, c)


def with_heads(backbone: DinoVisionTransformer, config: Config) -> DINOv2:
    """The same around a backbone of the caller's."""
    c = config

    def head() -> DINOHead:
        return DINOHead(
            c.width, c.out_dim, norm_last_layer=False, hidden_dim=c.hidden,
            bottleneck_dim=c.bottleneck,
        )

    return DINOv2(backbone, head(), head() if c.separate_head else None, c)


def teacher_temp(step: int, steps: int, config: Config) -> float:
    """The teacher's temperature: linear over the warm-up's share, then constant."""
    warmup = steps * config.warmup_teacher_temp_epochs / config.epochs
    progress = min(1.0, step / warmup) if warmup else 1.0
    cold, warm = config.warmup_teacher_temp, config.teacher_temp
    return cold + (warm - cold) * progress                         # -- tau_t


def training_step(
    model: DINOv2, batch: Batch, step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss, its parts, and what to watch for a collapse (`target_use`)."""
    crops, masks = batch
    c = model.config
    model.student.freeze_prototypes(step < steps * c.freeze_epochs / c.epochs)
    temp, out = teacher_temp(step, steps, c), model(crops, masks)
    q = model.targets(out.teacher_global, model.dino_center, temp)       # (2B, K)
    q_patches = model.targets(out.teacher_patches, model.ibot_center, temp)  # (M, K)
    local, across = dinov2_dino_terms(
        out.student_local, out.student_global, q, c.student_temp
    )
    ibot = ibot_patch_loss(out.student_patches, q_patches, masks, c.student_temp)
    # Two views of one image should be near: each view's batch is spread by itself.
    first, second = out.student_cls.chunk(2)                             # (B, D)
    koleo = koleo_loss(first) + koleo_loss(second)                       # -- per view
    loss = local + across + c.ibot_weight * ibot + c.koleo_weight * koleo  # -- total
    model.dino_center = update_center(
        model.dino_center, out.teacher_global, c.center_momentum
    )
    model.ibot_center = update_center(
        model.ibot_center, out.teacher_patches, c.center_momentum
    )
    parts = {"loss": loss, "dino": local + across, "ibot": ibot, "koleo": koleo}
    return loss, {n: p.item() for n, p in parts.items()} | target_use(q)


def after_step(model: DINOv2, step: int, steps: int) -> None:
    """The teacher follows the student, after the optimiser's step."""
    momentum = float(byol.cosine_tau(step, steps, model.config.base_momentum))
    byol.ema_update(model.teacher, model.student, momentum)        # -- teacher follows


def features(model: DINOv2, images: Tensor) -> Tensor:
    """Patch tokens of the teacher. images: (B, 3, H, W), normalised.

    Returns (B, N, D), after the final norm, without the class token.
    """
    return patch_tokens(model.encoder, images)
