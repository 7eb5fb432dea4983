"""DeiT III: the plain ViT was fine, its supervised training was not.

Paper:    Touvron, Cord & Jegou, "DeiT III: Revenge of the ViT", ECCV 2022,
          arXiv 2204.07118; LAMB: You et al., ICLR 2020, arXiv 1904.00962
Differs:  1. mixup, cutmix and repeated augmentation are the caller's
          2. augmentations work on uint8 tensors in torch alone and follow PIL, which
             defines the official ones, within one grey level
          3. timm's names of the same parameters (`ls1.gamma`) are accepted as well
          4. LAMB steps through parameters one by one; the paper's is a fused kernel
Checked:  facebookresearch/deit@7e160fe: block and logits to 1e-5, augmentations to one
          grey level; timm 1.0.31: drop-path, four LAMB steps to 1e-5

Shapes:   B images, T tokens (N patches and one class token), D width, K classes;
          pictures are (H, W, 3), uint8
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.linalg import vector_norm

from reference_impls.vit import Block, ViT


@dataclass(frozen=True)
class Config:
    """ViT-S trained on ImageNet-1k alone (Tab. 1 and the official commands)."""

    img_size: int = 224
    patch_size: int = 16
    dim: int = 384              # D
    depth: int = 12
    heads: int = 6
    num_classes: int = 1000     # K
    init_values: float = 1e-4   # gamma at the start
    drop_path: float = 0.05     # p, the same in every layer; B 0.2, L 0.45, H 0.6
    lr: float = 4e-3            # LAMB, cosine, 5 epochs of warm-up; 3e-3 from B up
    weight_decay: float = 0.05
    batch: int = 2048
    epochs: int = 800
    jitter: float = 0.3


TINY = Config(
    img_size=32, patch_size=8, dim=48, depth=3, heads=3, num_classes=10, init_values=0.1
)


# The network: a ViT whose branches enter quietly and are sometimes left out


def drop_path(
    x: Tensor,
    drop_prob: float,
    training: bool = True,
    scale_by_keep: bool = True,
    keep_mask: Tensor | None = None,
) -> Tensor:
    """Stochastic depth: leave out the whole branch for some samples (Sec. 3).

    x: (B, ...). keep_mask: (B, 1, ...) of 0 and 1, drawn when None. Kept samples are
    divided by 1 - p, so that the expectation stays.
    """
    if not 0 <= drop_prob <= 1:
        raise ValueError(f"drop_prob is {drop_prob}; give a probability from 0 to 1")
    if not training or drop_prob == 0:
        return x
    keep = 1 - drop_prob
    if keep_mask is None:
        keep_mask = x.new_empty(len(x), *[1] * (x.ndim - 1)).bernoulli_(keep)
    if scale_by_keep and keep > 0:
        keep_mask = keep_mask / keep      # -- keep the expectation
    return x * keep_mask


class LayerScaleBlock(Block):
    """ViT's block, each branch scaled per channel before it is added (Sec. 3)."""

    def __init__(
        self,
        dim: int,
        heads: int,
        mlp_ratio: float = 4.0,
        init_values: float = 1e-4,
        drop_prob: float = 0.0,
        qkv_bias: bool = True,
        eps: float = 1e-6,
    ):
        super().__init__(dim, heads, mlp_ratio, qkv_bias=qkv_bias, eps=eps)
        self.drop_prob = drop_prob
        self.gamma_1 = nn.Parameter(torch.full((dim,), init_values))  # -- gamma
        self.gamma_2 = nn.Parameter(torch.full((dim,), init_values))
        self.register_load_state_dict_pre_hook(accept_timm_names)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        return self._layer(x, need_weights=False)[0]

    def attend(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and this layer's attention weights (B, h, T, T) beside it."""
        return self._layer(x, need_weights=True)

    def _layer(self, x: Tensor, need_weights: bool) -> tuple[Tensor, Any]:
        mixed, weights = self.attn(self.norm1(x), need_weights)
        x = x + self._drop(self.gamma_1 * mixed)                   # -- attend
        x = x + self._drop(self.gamma_2 * self.mlp(self.norm2(x)))  # -- think
        return x, weights

    def _drop(self, branch: Tensor) -> Tensor:
        return drop_path(branch, self.drop_prob, self.training)


def accept_timm_names(
    module: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any
) -> None:
    """Read timm's `ls1.gamma`, `ls2.gamma` as the official `gamma_1`, `gamma_2`."""
    for n in (1, 2):
        if f"{prefix}ls{n}.gamma" in state:
            state[f"{prefix}gamma_{n}"] = state.pop(f"{prefix}ls{n}.gamma")


class DeiT3ViT(ViT):
    """A ViT with LayerScale, constant drop-path, and positions for patches alone."""

    interpolation = "bicubic"

    def __init__(
        self,
        img_size: int = 224,
        patch_size: int = 16,
        dim: int = 384,
        depth: int = 12,
        heads: int = 6,
        mlp_ratio: float = 4.0,
        num_classes: int = 0,
        init_values: float = 1e-4,
        drop_path: float = 0.0,
    ):
        super().__init__(
            img_size, patch_size, dim, 0, heads, mlp_ratio, num_classes, pos="none"
        )
        self.pos = "1d"
        # No row for the class token: patches get positions, then it is put in front.
        self.pos_embed = nn.Parameter(torch.randn(1, self.grid**2, dim) * 0.02)
        # One probability for all layers; earlier recipes let it grow with depth.
        layer = (dim, heads, mlp_ratio, init_values, drop_path)  # -- constant p
        self.blocks = nn.ModuleList(LayerScaleBlock(*layer) for _ in range(depth))
        self._init_weights()
        if isinstance(self.head, nn.Linear):
            nn.init.trunc_normal_(self.head.weight, std=0.02)


# The loss: every class is a question of its own


def binary_targets(soft_targets: Tensor) -> Tensor:
    """1 for every class that mixup or cutmix put into the picture, 0 for the rest."""
    return (soft_targets > 0).to(soft_targets.dtype)  # -- binarise


def deit3_bce_loss(logits: Tensor, soft_targets: Tensor) -> Tensor:
    """Binary cross-entropy against binarised targets, mean over images and classes.

    logits, soft_targets: (B, K). Targets must not be smoothed: smoothing gives every
    class some mass, and binarising then makes every class a positive.
    """
    if logits.shape != soft_targets.shape:
        raise ValueError(
            f"targets {tuple(soft_targets.shape)} must have the logits' shape "
            f"{tuple(logits.shape)}; turn class numbers into one-hot rows first"
        )
    targets = binary_targets(soft_targets).to(logits.dtype)
    return F.binary_cross_entropy_with_logits(logits, targets)  # ()  -- BCE


# The optimiser: Adam's direction, a step in proportion to the weights


class Lamb(torch.optim.Optimizer):
    """Layer-wise adaptive moments for large batches (LAMB, Alg. 2).

    max_grad_norm: bound on the norm over all groups' gradients together; None is off.
    Groups without weight decay take Adam's step, unless always_adapt. trust_clip:
    never let the trust ratio lengthen a step.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 4e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.05,
        max_grad_norm: float | None = 1.0,
        always_adapt: bool = False,
        trust_clip: bool = False,
    ):
        if lr < 0 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"lr {lr} must be >= 0 and betas {betas} in [0, 1)")
        self.max_grad_norm = max_grad_norm
        super().__init__(params, {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "always_adapt": always_adapt, "trust_clip": trust_clip, "step": 0,
        })

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step for every parameter that has a gradient; returns closure's loss."""
        with torch.enable_grad():
            loss = closure() if closure else None
        clip = self._clip()
        for group in self.param_groups:
            group["step"] += 1
            for p in group["params"]:
                if p.grad is not None:
                    u = self._direction(p, p.grad * clip, group)
                    ratio = trust_ratio(p, u, group)
                    p.addcmul_(u, ratio, value=-group["lr"])  # -- step
        return loss

    def _clip(self) -> Tensor | float:
        """What to scale every gradient by: the bound over the global norm, or 1."""
        grads = [p.grad for g in self.param_groups for p in g["params"]
                 if p.grad is not None]
        if self.max_grad_norm is None or not grads:
            return 1.0
        norm = vector_norm(torch.stack([vector_norm(grad) for grad in grads]))
        return (self.max_grad_norm / norm).clamp(max=1.0)  # -- clip

    def _direction(self, p: Tensor, grad: Tensor, group: dict[str, Any]) -> Tensor:
        """u: Adam's step, bias corrected, and the decay of the weights."""
        state, (beta1, beta2), t = self.state[p], group["betas"], group["step"]
        if not state:
            state["m"], state["v"] = torch.zeros_like(p), torch.zeros_like(p)
        state["m"].lerp_(grad, 1 - beta1)                              # -- m
        state["v"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)   # -- v
        v_hat = state["v"] * (1 / (1 - beta2**t))
        decay, root = group["weight_decay"] * p, v_hat.sqrt_().add_(group["eps"])
        # decay + m_hat / root: the correction of m enters as a factor.
        return decay.addcdiv_(state["m"], root, value=1 / (1 - beta1**t))  # -- u


def trust_ratio(p: Tensor, u: Tensor, group: dict[str, Any]) -> Tensor:
    """||w|| / ||u||, and 1 where either is 0 or the group is not adapted."""
    if group["weight_decay"] == 0 and not group["always_adapt"]:
        return p.new_ones(())
    w_norm, u_norm = vector_norm(p), vector_norm(u)
    defined = (w_norm > 0) & (u_norm > 0)
    ratio = torch.where(defined, w_norm / u_norm, 1.0)  # -- trust ratio
    return ratio.clamp(max=1.0) if group["trust_clip"] else ratio


# The augmentation: three kinds of damage, one at a time


def grey_levels(x: Tensor) -> Tensor:
    """To the nearest of 256 levels, halves upwards, still in floats."""
    return (x + 0.5).floor().clamp(0, 255)


def luma(img: Tensor) -> Tensor:
    """Brightness as seen, (H, W, 3) to (H, W, 1), in PIL's fixed-point weights."""
    weights = torch.tensor([19595, 38470, 7471], device=img.device)  # of 65536
    weighted = (img.int() * weights).sum(dim=-1, keepdim=True)
    return ((weighted + 32768) >> 16).to(torch.uint8)                # (H, W, 1)


def gray(img: Tensor) -> Tensor:
    """Without colour, so that shape must serve. (H, W, 3) uint8."""
    return luma(img).expand_as(img).contiguous()  # -- greyscale


def solarize(img: Tensor, threshold: int = 128) -> Tensor:
    """Invert what is bright: strong noise on colour. (H, W, 3) uint8."""
    return torch.where(img < threshold, img, 255 - img)  # -- solarisation


def box_radius(sigma: float, passes: int = 3) -> float:
    """Radius of a box that, applied `passes` times, has a Gaussian's variance.

    From Gwosdek et al. 2011: whole pixels, and a fraction of one more at each end.
    """
    variance = sigma**2 / passes
    whole = math.floor((math.sqrt(12 * variance + 1) - 1) / 2)
    missing = 3 * variance - whole * (whole + 1)
    return whole + (2 * whole + 1) * missing / (6 * ((whole + 1) ** 2 - variance))


def box_weights(radius: float) -> list[int]:
    """A box's weights of 2^24: a part at each end, whole pixels between.

    PIL divides in single precision and floors; at radius 0.25 that decides the ties.
    """
    inner = int(2**24 / torch.tensor(2 * radius + 1))
    pixels = 2 * int(radius) + 1
    edge = (2**24 - pixels * inner) // 2
    return [edge, *[inner] * pixels, edge]


def box_blur(lines: Tensor, weights: list[int]) -> Tensor:
    """Weighted mean around each pixel of a line, ends repeated. lines: (n, W) int64."""
    reach, W = len(weights) // 2, lines.shape[1]
    around = torch.arange(-reach, W + reach, device=lines.device).clamp(0, W - 1)
    windows = lines[:, around].unfold(1, len(weights), 1)     # (n, W, weights)
    sums = (windows * torch.tensor(weights, device=lines.device)).sum(-1)
    return (sums + 2**23) >> 24                               # (n, W)


def gaussian_blur(img: Tensor, radius: float) -> Tensor:
    """PIL's Gaussian blur: three box blurs along rows, three along columns.

    img: (H, W, 3) uint8; radius: the Gaussian's sigma in pixels.
    """
    weights = box_weights(box_radius(radius))
    maps = img.permute(2, 0, 1).long()                        # (3, H, W)
    for _ in range(2):
        lines = maps.flatten(0, 1)                            # (3 H, W)
        for _ in range(3):
            lines = box_blur(lines, weights)                  # -- blur
        maps = lines.view_as(maps).transpose(1, 2)            # the other direction
    return maps.permute(1, 2, 0).to(torch.uint8)              # (H, W, 3)


def resize(img: Tensor, height: int, width: int) -> Tensor:
    """PIL's bicubic, antialiased: columns first, rounded between the two passes."""
    maps = img.permute(2, 0, 1)[None].float()                 # (1, 3, H, W)
    for size in ((img.shape[0], width), (height, width)):
        maps = F.interpolate(maps, size=size, mode="bicubic", antialias=True)
        maps = grey_levels(maps)
    return maps[0].permute(1, 2, 0).to(torch.uint8)           # (height, width, 3)


def resize_shorter_side(img: Tensor, size: int) -> Tensor:
    """The shorter side becomes `size`, the other keeps the proportions (floored)."""
    h, w = img.shape[:2]
    if h <= w:
        return resize(img, size, int(size * w / h))
    return resize(img, int(size * h / w), size)


def simple_random_crop(img: Tensor, size: int, i: int, j: int, pad: int = 4) -> Tensor:
    """SRC: nearly the whole picture, only shifted (Sec. 3).

    The shorter side is resized to `size`, 4 pixels are mirrored around, and the square
    at row i, column j of that is cut out. (H, W, 3) to (size, size, 3), uint8.
    """
    maps = resize_shorter_side(img, size).permute(2, 0, 1).float()  # (3, h, w)
    maps = F.pad(maps, (pad,) * 4, mode="reflect")            # (3, h + 8, w + 8)
    h, w = maps.shape[1:]
    if not (0 <= i <= h - size and 0 <= j <= w - size):
        raise ValueError(
            f"corner ({i}, {j}) leaves the padded picture; "
            f"rows go to {h - size}, columns to {w - size}"
        )
    crop = maps[:, i:i + size, j:j + size]                    # -- SRC
    return crop.permute(1, 2, 0).to(torch.uint8)


def uniform(low: float, high: float, generator: Generator | None) -> float:
    return low + (high - low) * torch.rand((), generator=generator).item()


def integer(below: int, generator: Generator | None) -> int:
    return int(torch.randint(below, (), generator=generator).item())


def random_corner(
    img: Tensor, size: int, generator: Generator | None, pad: int = 4
) -> tuple[int, int]:
    """Row and column for SRC: any place that leaves the square on the padded picture.

    img: (H, W, 3), before it is resized.
    """
    short = min(img.shape[:2])
    spare = [int(size * side / short) - size + 2 * pad + 1 for side in img.shape[:2]]
    i, j = (integer(n, generator) for n in spare)
    return i, j


def random_box(H: int, W: int, generator: Generator | None) -> tuple[int, ...]:
    """Row, column, height and width for RRC: 8 to 100 % of the area, 3:4 to 4:3."""
    for _ in range(10):
        area = H * W * uniform(0.08, 1.0, generator)
        ratio = math.exp(uniform(math.log(3 / 4), math.log(4 / 3), generator))
        h, w = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 0 < h <= H and 0 < w <= W:
            return integer(H - h + 1, generator), integer(W - w + 1, generator), h, w
    h, w = min(H, W * 4 // 3), min(W, H * 4 // 3)  # nothing fitted: the middle
    return (H - h) // 2, (W - w) // 2, h, w


def random_resized_crop(img: Tensor, size: int, generator: Generator | None) -> Tensor:
    """RRC: a random box, stretched to a square. (H, W, 3) to (size, size, 3), uint8."""
    H, W = img.shape[:2]
    i, j, h, w = random_box(H, W, generator)
    return resize(img[i:i + h, j:j + w], size, size)


def enhancement_base(img: Tensor, change: int) -> Tensor | int:
    """What less of it leads to: black (brightness), one grey (contrast), greys."""
    if change == 0:
        return 0
    if change == 1:
        return int(luma(img).float().mean().item() + 0.5)
    return gray(img)


def blend(base: Tensor | int, img: Tensor, factor: float) -> Tensor:
    """PIL's enhancement: base at 0, the picture at 1, exaggerated beyond."""
    mixed = base + factor * (img.float() - base)   # base may be one level for all
    return mixed.clamp(0, 255).to(torch.uint8)


def color_jitter(img: Tensor, strength: float, generator: Generator | None) -> Tensor:
    """Brightness, contrast and saturation by 1 +- strength, in a drawn order."""
    for change in torch.randperm(3, generator=generator).tolist():
        factor = uniform(max(0.0, 1 - strength), 1 + strength, generator)
        img = blend(enhancement_base(img, change), img, factor)  # -- jitter
    return img


def three_augment(
    img: Tensor,
    size: int,
    generator: Generator | None = None,
    jitter: float = 0.3,
    src: bool = False,
) -> Tensor:
    """3-Augment (Sec. 3): crop, flip, exactly one of three, colour jitter.

    img: (H, W, 3) uint8; returns (size, size, 3). src: the simple random crop of the
    ImageNet-21k recipe; ImageNet-1k uses the random resized one.
    """
    if img.ndim != 3 or img.shape[2] != 3 or img.dtype != torch.uint8:
        raise ValueError(
            f"got {img.dtype} of shape {tuple(img.shape)}; give one uint8 picture "
            "(height, width, 3)"
        )
    if src:
        img = simple_random_crop(img, size, *random_corner(img, size, generator))
    else:
        img = random_resized_crop(img, size, generator)
    if uniform(0, 1, generator) < 0.5:
        img = img.flip(1)
    choice = integer(3, generator)                 # -- one of three
    if choice == 0:
        img = gray(img)
    elif choice == 1:
        img = solarize(img)
    else:
        img = gaussian_blur(img, uniform(0.1, 2.0, generator))
    return color_jitter(img, jitter, generator) if jitter else img
