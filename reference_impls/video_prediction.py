"""Video prediction beyond mean square error: sharp next frames, coarse to fine.

Paper:    Mathieu, Couprie & LeCun, "Deep multi-scale video prediction beyond mean
          square error", ICLR 2016, arXiv 1511.05440
Differs:  1. one call returns both networks' losses, each blind to the other's weights;
             the paper alternates two updates, on two batches. For that, take
             `discriminator_loss` and `generator_loss` to an optimiser each
          2. sums run over pixels and are averaged over the clips of a batch
          3. frames are scaled by averaging 2 x 2 pixels and by bilinear doubling; the
             paper does not say how, the authors' script repeats pixels to double
          4. tanh stands behind the finest scale alone ("at the end of the model")
          5. the discriminators pad their convolutions and halve each map once
          6. `clip_views` takes any patch and mirrors half; the paper keeps patches that
             move enough
Checked:  gradient difference, l_p, PSNR and sharpness: derived from Eq. 5, 6 and the
          measures of Sec. 4 by two independent computations, 1e-4. The port
          dyelax/Adversarial_Video_Generation@458cef1 pads the borders, ours does not

Shapes:   B clips, C colours, T frames, H x W pixels, K scales
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn


@dataclass(frozen=True)
class Config:
    """Four frames to the next, on patches of 32 pixels; layers from Tab. 1."""

    img_size: int = 32             # the finest scale's side; each coarser one has half
    frames: int = 5                # of a clip: all but the last are given
    maps: tuple[tuple[int, ...], ...] = (              # G, coarse to fine (unverified)
        (128, 256, 128), (128, 256, 128),
        (128, 256, 512, 256, 128), (128, 256, 512, 256, 128),
    )
    kernels: tuple[tuple[int, ...], ...] = (           # one more: out (unverified)
        (3, 3, 3, 3), (5, 3, 3, 5), (5, 3, 3, 3, 3, 5), (7, 5, 5, 5, 5, 7),
    )
    judge_maps: tuple[tuple[int, ...], ...] = (        # D, coarse to fine (unverified)
        (64,), (64, 128, 128), (128, 256, 256), (128, 256, 512, 128),
    )
    judge_kernels: tuple[tuple[int, ...], ...] = (     # (unverified)
        (3,), (3, 3, 3), (5, 5, 5), (7, 7, 5, 5),
    )
    judge_hidden: tuple[int, ...] = (1024, 512)        # (unverified)
    p: float = 1                   # of l_p
    alpha: float = 1               # of the gradient difference
    weight_adv: float = 0.05       # lambda, the others are 1 (unverified)
    weight_lp: float = 1.0
    weight_gdl: float = 1.0


TINY = Config(
    maps=((16, 16), (16, 32, 16), (16, 32, 16)),
    kernels=((3, 3, 3), (5, 3, 3, 5), (5, 3, 3, 5)),
    judge_maps=((16,), (16, 32), (16, 32)),
    judge_kernels=((3,), (3, 3), (5, 5)),
    judge_hidden=(64,),
)


# Coarse to fine (Sec. 3.1)


def halved(frames: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, H/2, W/2)."""
    return F.avg_pool2d(frames, 2)


def doubled(frames: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, 2H, 2W): the operator u_k."""
    return F.interpolate(frames, scale_factor=2, mode="bilinear", align_corners=False)


def pyramid(frames: Tensor, scales: int) -> list[Tensor]:
    """The frames at every scale, coarsest first. frames: (B, C, H, W)."""
    H, W = frames.shape[-2:]
    factor = 2 ** (scales - 1)
    if H % factor or W % factor:
        raise ValueError(
            f"frames of {H}x{W} cannot be halved {scales - 1} times; "
            f"crop both sides to multiples of {factor}"
        )
    levels = [frames]
    for _ in range(scales - 1):
        levels.insert(0, halved(levels[0]))            # (B, C, H / 2^k, W / 2^k)
    return levels


Sizes = tuple[int, ...]


def layers(ins: int, maps: Sizes, kernels: Sizes) -> list[nn.Module]:
    """Padded convolutions with a ReLU behind each."""
    found: list[nn.Module] = []
    for out, kernel in zip(maps, kernels, strict=True):
        found += [nn.Conv2d(ins, out, kernel, padding=kernel // 2), nn.ReLU()]
        ins = out
    return found


class Predictor(nn.Module):
    """G: every scale corrects the enlarged prediction of the coarser one."""

    def __init__(self, config: Config):
        super().__init__()
        given = 3 * (config.frames - 1)
        self.scales = nn.ModuleList()
        for k, maps in enumerate(config.maps):
            convs = layers(given + 3 * (k > 0), (*maps, 3), config.kernels[k])
            self.scales.append(nn.Sequential(*convs[:-1]))  # no ReLU on the output

    def forward(self, context: Tensor) -> list[Tensor]:
        """The next frame at every scale, coarsest first.

        context: (B, 3(T-1), H, W) in [-1, 1], frame behind frame.
        """
        first, *rest = pyramid(context, len(self.scales))
        predictions = [self.scales[0](first)]          # (B, 3, h, w)
        for net, x in zip(self.scales[1:], rest, strict=True):
            guess = doubled(predictions[-1])           # (B, 3, 2h, 2w)  -- coarse guess
            correction = net(torch.cat([x, guess], dim=1))  # (B, 3, 2h, 2w)
            predictions.append(guess + correction)     # -- coarse to fine
        predictions[-1] = predictions[-1].tanh()       # -- tanh
        return predictions


class Discriminator(nn.Module):
    """D: at every scale, was the last frame filmed or predicted?"""

    def __init__(self, config: Config):
        super().__init__()
        K = len(config.judge_maps)
        self.scales = nn.ModuleList()
        for k, maps in enumerate(config.judge_maps):
            side = config.img_size // 2 ** (K - 1 - k) // 2  # behind the pooling
            convs = layers(3 * config.frames, maps, config.judge_kernels[k])
            widths = (maps[-1] * side**2, *config.judge_hidden)
            head: list[nn.Module] = [nn.MaxPool2d(2), nn.Flatten()]
            for ins, out in pairwise(widths):
                head += [nn.Linear(ins, out), nn.ReLU()]
            self.scales.append(
                nn.Sequential(*convs, *head, nn.Linear(widths[-1], 1))
            )

    def forward(self, context: Tensor, frames: list[Tensor]) -> Tensor:
        """Logits of "filmed", (K, B). frames: one (B, 3, h, w) per scale.

        The context is real either way, so D also sees whether the motion goes on.
        """
        contexts = pyramid(context, len(self.scales))
        logits = [
            net(torch.cat([x, y], dim=1)).squeeze(1)   # (B,)
            for net, x, y in zip(self.scales, contexts, frames, strict=True)
        ]
        return torch.stack(logits)                     # (K, B)


# Losses on the image (Sec. 3.1 and 3.3)


def check_alike(pred: Tensor, target: Tensor) -> None:
    if pred.shape != target.shape:
        raise ValueError(
            f"prediction {tuple(pred.shape)} and target {tuple(target.shape)} differ; "
            "both are (B, C, H, W) of one scale"
        )


def lp_loss(pred: Tensor, target: Tensor, p: float = 2) -> Tensor:
    """Sum over all pixels of |pred - target| to the power p."""
    check_alike(pred, target)
    if p <= 0:
        raise ValueError(f"the power is {p}; take a positive one, as 1 or 2")
    if p == 1:
        return F.l1_loss(pred, target, reduction="sum")   # -- l_1
    if p == 2:
        return F.mse_loss(pred, target, reduction="sum")  # -- l_2
    return (pred - target).abs().pow(p).sum()


def gdl_loss(pred: Tensor, target: Tensor, alpha: float = 1) -> Tensor:
    """Gradient difference: are edges as steep as they should be?

    Compares |neighbour - neighbour| of both images, inside the image only. Blind to a
    constant offset and to an edge's sign: use it beside `lp_loss`.
    """
    check_alike(pred, target)
    down = lp_loss(pred.diff(dim=-2).abs(), target.diff(dim=-2).abs(), alpha)
    across = lp_loss(pred.diff(dim=-1).abs(), target.diff(dim=-1).abs(), alpha)
    return down + across                               # -- gradient difference


# Adversarial training (Sec. 3.2)


def adversarial_loss(logits: Tensor, real: bool) -> Tensor:
    """Cross-entropy to one class, summed over scales. logits: (K, B), of "filmed"."""
    label = torch.full_like(logits, float(real))
    entropy = F.binary_cross_entropy_with_logits(logits, label, reduction="none")
    return entropy.mean(dim=1).sum()                   # -- sum over scales


def discriminator_loss(filmed: Tensor, predicted: Tensor) -> Tensor:
    """D tells true frames from predictions, which come detached. Logits: (K, B)."""
    return adversarial_loss(filmed, True) + adversarial_loss(predicted, False)  # -- D


def generator_loss(
    pred: Tensor, target: Tensor, logits: Tensor, config: Config = TINY
) -> Tensor:
    """What G minimises: fool D, be near, be as sharp.

    pred, target: (B, 3, H, W), the finest scale. logits: (K, B), D on the predictions.
    """
    B = len(pred)
    fool = adversarial_loss(logits, True)              # -- fool D
    near = lp_loss(pred, target, config.p) / B
    sharp = gdl_loss(pred, target, config.alpha) / B
    return (
        config.weight_adv * fool + config.weight_lp * near + config.weight_gdl * sharp
    )                                                  # -- combined


# Measures (Sec. 4)


def psnr(pred: Tensor, target: Tensor, max: float = 1.0) -> Tensor:
    """Peak signal to noise ratio of the whole batch in decibels; `max` is the peak."""
    check_alike(pred, target)
    return 10 * torch.log10(max**2 / F.mse_loss(pred, target))  # -- psnr


def steepness(images: Tensor) -> Tensor:
    """|dy| + |dx| at each pixel that has both neighbours: (…, H - 1, W - 1)."""
    here = images[..., 1:, 1:]
    dy, dx = here - images[..., :-1, 1:], here - images[..., 1:, :-1]
    return dy.abs_().add_(dx.abs_())


def sharpness_diff(pred: Tensor, target: Tensor, max: float = 1.0) -> Tensor:
    """How alike two images are in sharpness, in decibels; more is better."""
    check_alike(pred, target)
    error = F.l1_loss(steepness(pred), steepness(target))
    return 10 * torch.log10(max**2 / error)            # -- sharpness


# Training


class VideoPrediction(nn.Module):
    """G and D side by side."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.generator, self.discriminator = Predictor(config), Discriminator(config)

    def judge_only(self, context: Tensor, frames: list[Tensor]) -> Tensor:
        """D's logits (K, B) with a gradient to the frames and none to D's weights."""
        frozen = {n: p.detach() for n, p in self.discriminator.named_parameters()}
        return torch.func.functional_call(self.discriminator, frozen, (context, frames))


def split(clips: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 3, T, H, W) to all frames but the last, (B, 3(T-1), H, W), and the last."""
    frames = clips.transpose(1, 2).flatten(1, 2)       # (B, 3T, H, W)
    return frames[:, :-3], frames[:, -3:]


def clip_views(clips: Tensor, generator: Generator, config: Config = TINY) -> Tensor:
    """A random stretch and patch of each clip, half of them mirrored, in [-1, 1].

    clips: (B, 3, T, H, W) in [0, 1]. Returns (B, 3, frames, img_size, img_size).
    """
    given = clips.shape[2:]
    wanted = (config.frames, config.img_size, config.img_size)
    if any(g < w for g, w in zip(given, wanted, strict=True)):
        raise ValueError(
            f"clips of {given[0]} frames, {given[1]}x{given[2]}; give at least "
            f"{config.frames} frames of {config.img_size}x{config.img_size}"
        )
    views = []
    for clip in clips:
        *place, mirror = torch.rand(4, generator=generator, device=generator.device)
        for dim, (g, w) in enumerate(zip(given, wanted, strict=True), start=1):
            clip = clip.narrow(dim, int(place[dim - 1] * (g - w + 1)), w)
        views.append(clip.flip(-1) if mirror < 0.5 else clip)
    return 2 * torch.stack(views) - 1                  # (B, 3, frames, side, side)


def build(config: Config = TINY) -> VideoPrediction:
    return VideoPrediction(config)


def training_step(
    model: VideoPrediction, batch: Tensor, step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """Both networks' losses in one sum; neither term reaches the other's weights.

    Watched: PSNR of the prediction and of simply repeating the last frame, which a
    trained model must beat; `fooled`, the share of predictions taken for filmed.
    """
    if batch.shape[2] != model.config.frames:
        raise ValueError(
            f"clips of {batch.shape[2]} frames where the model takes "
            f"{model.config.frames}; cut them with `clip_views`"
        )
    context, target = split(batch)                     # (B, 3(T-1), H, W), (B, 3, H, W)
    predictions = model.generator(context)
    targets = pyramid(target, len(predictions))
    filmed = model.discriminator(context, targets)     # (K, B)
    predicted = model.discriminator(
        context, [y.detach() for y in predictions]     # -- detached predictions
    )
    loss_d = discriminator_loss(filmed, predicted)
    logits = model.judge_only(context, predictions)    # (K, B)  -- frozen D
    loss_g = generator_loss(predictions[-1], target, logits, model.config)
    loss = loss_g + loss_d
    with torch.no_grad():
        watched = {
            "loss": loss.item(), "loss_g": loss_g.item(), "loss_d": loss_d.item(),
            "psnr": psnr(predictions[-1], target, max=2).item(),
            "psnr_repeat": psnr(context[:, -3:], target, max=2).item(),
            "fooled": (predicted > 0).double().mean().item(),
        }
    return loss, watched


@torch.no_grad()
def predict(model: VideoPrediction, context: Tensor, frames: int) -> Tensor:
    """Several frames ahead: each prediction becomes the newest frame of the context.

    context: (B, 3(T-1), H, W) in [-1, 1]. Returns (B, 3, frames, H, W).
    """
    found = []
    for _ in range(frames):
        found.append(model.generator(context)[-1])     # (B, 3, H, W)
        context = torch.cat([context[:, 3:], found[-1]], dim=1)
    return torch.stack(found, dim=2)                   # (B, 3, frames, H, W)
