"""SimCLR: two random views of an image must find each other among a whole batch.

Paper:    Chen et al., "A Simple Framework for Contrastive Learning of Visual
          Representations", ICML 2020, arXiv 2002.05709
Differs:  1. `build` takes a ViT as encoder; the paper's is a ResNet-50. `SimCLR` itself
             takes any module from images to (B, width)
          2. the loss is the paper's mean over 2B anchors; the official TensorFlow code
             returns twice that
          3. one's own similarity is set to minus infinity; upstream subtracts 1e9
          4. the head's last batch norm has an offset; upstream's only a scale
          5. one process: the paper's batch norm over all devices is the caller's
             (`nn.SyncBatchNorm`); the loss itself crosses processes
          6. crops are resampled bicubically from the whole image without a low-pass
             filter, at positions between pixels; upstream cuts at whole pixels
          7. blur repeats the border's pixels; upstream pads with black
          8. views are normalised by ImageNet's statistics, as the encoders of this
             collection expect; upstream feeds pixels in [0, 1]
Checked:  google-research/simclr@383d414 (TensorFlow): loss and gradients to 2e-5;
          lightly 1.6.0: loss, gradients and projection head to 1e-9

Shapes:   B images, W processes, H x W pixels, S crop side, D projection width
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from reference_impls.vit import ViT, patch_tokens

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, per channel


@dataclass(frozen=True)
class Config:
    """The paper's recipe for ImageNet, and the ViT that `build` makes."""

    dim: int = 128                 # D
    temperature: float = 0.1       # tau
    batch: int = 4096
    warmup_epochs: int = 10
    lr: float = 0.3                # times batch / 256; LARS, cosine
    weight_decay: float = 1e-6
    img_size: int = 224
    patch_size: int = 16
    width: int = 384
    depth: int = 12
    heads: int = 6


TINY = Config(
    dim=64, batch=32, img_size=64, patch_size=8, width=192, depth=6, heads=6
)


# Two views (Sec. 2.1, Sec. 3 and appendix A)


@dataclass(frozen=True)
class Augmentation:
    """One distribution of views: colour distortion of strength 1, as for ImageNet."""

    area: tuple[float, float] = (0.08, 1.0)  # of a crop, as a share of the image
    jitter: float = 0.8            # probability
    brightness: float = 0.8
    contrast: float = 0.8
    saturation: float = 0.8
    hue: float = 0.2               # in turns of the colour circle
    grey: float = 0.2              # probability
    blur: float = 0.5              # probability


def draw(generator: Generator, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Uniform numbers in [0, 1) with the dtype and on the device of `like`."""
    numbers = torch.rand(shape, generator=generator, device=generator.device)
    return numbers.to(like)


def note(generator: Generator | None, what: str, value: object) -> None:
    """Say what a generator's numbers became, where it has a `diary`, a list, for it.

    torch's own has none; whoever wants to see what was drawn makes one that does.
    """
    diary = getattr(generator, "diary", None)
    if diary is not None:
        diary.append((what, value))


def sometimes(
    images: Tensor,
    probability: float,
    generator: Generator,
    change: Callable[[Tensor], Tensor],
) -> Tensor:
    """`change` for each image with this probability, and the others as they are."""
    chosen = draw(generator, (len(images),), images) < probability  # (B,)
    note(generator, change.__name__, chosen)
    if not chosen.any():
        return images
    out = images.clone()
    out[chosen] = change(images[chosen])
    return out


def random_resized_crop(
    images: Tensor, size: int, area: tuple[float, float], generator: Generator
) -> Tensor:
    """A random window of each image, resized: (B, 3, H, W) to (B, 3, size, size).

    Its share of the image is uniform in `area`, the logarithm of its aspect ratio in
    log(3/4) to log(4/3); a side that does not fit is cut to the image's.
    """
    B, _, H, W = images.shape
    u = draw(generator, (4, B), images)
    share = area[0] + (area[1] - area[0]) * u[0]                  # (B,)
    ratio = torch.exp((2 * u[1] - 1) * math.log(4 / 3))           # (B,)  width / height
    w = (share * ratio * H / W).sqrt().clamp(max=1)               # (B,)  of the width
    h = (share / ratio * W / H).sqrt().clamp(max=1)               # (B,)  of the height
    x, y = (2 * u[2] - 1) * (1 - w), (2 * u[3] - 1) * (1 - h)     # centres in [-1, 1]
    note(generator, "crop", (x, y, w, h))
    pixels = (2 * torch.arange(size).to(images) + 1) / size - 1   # (S,)  in [-1, 1]
    columns = (x[:, None] + w[:, None] * pixels)[:, None, :].expand(B, size, size)
    rows = (y[:, None] + h[:, None] * pixels)[:, :, None].expand(B, size, size)
    grid = torch.stack([columns, rows], dim=-1)                   # (B, S, S, 2)
    crops = F.grid_sample(images, grid, "bicubic", "border", align_corners=False)
    return crops.clamp(0, 1)                                      # (B, 3, S, S)


def flip(images: Tensor) -> Tensor:
    """Left and right exchanged."""
    return images.flip(-1)


def rgb_to_hsv(images: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1] to hue (in turns), saturation and value."""
    value, largest = images.max(dim=1)                            # (B, H, W)
    spread = value - images.amin(dim=1)                           # (B, H, W)
    ahead = images.roll(-1, dims=1) - images.roll(-2, dims=1)     # g - b, b - r, r - g
    ahead = ahead.gather(1, largest[:, None]).squeeze(1)          # (B, H, W)
    coloured = spread > 0
    hue = largest.to(images) / 3 + ahead / (6 * torch.where(coloured, spread, 1))
    saturation = spread / torch.where(value > 0, value, 1)
    return torch.stack([hue.where(coloured, 0) % 1, saturation, value], dim=1)


def hsv_to_rgb(hsv: Tensor) -> Tensor:
    """The way back; hue counts modulo one turn."""
    hue, saturation, value = hsv.unsqueeze(2).unbind(dim=1)       # each (B, 1, H, W)
    sixth = hsv.new_tensor([5, 3, 1]).view(1, 3, 1, 1)
    k = (sixth + 6 * hue) % 6                                     # (B, 3, H, W)
    dip = torch.minimum(k, 4 - k).clamp(0, 1)                     # (B, 3, H, W)
    return value - value * saturation * dip


def adjust_brightness(images: Tensor, offset: Tensor) -> Tensor:
    return images + offset


def adjust_contrast(images: Tensor, offset: Tensor) -> Tensor:
    mean = images.mean(dim=(2, 3), keepdim=True)                  # (B, 3, 1, 1)
    return mean + (1 + offset) * (images - mean)


def adjust_saturation(images: Tensor, offset: Tensor) -> Tensor:
    hue, saturation, value = rgb_to_hsv(images).split(1, dim=1)   # each (B, 1, H, W)
    saturation = (saturation * (1 + offset)).clamp(0, 1)
    return hsv_to_rgb(torch.cat([hue, saturation, value], dim=1))


def adjust_hue(images: Tensor, offset: Tensor) -> Tensor:
    hue, saturation, value = rgb_to_hsv(images).split(1, dim=1)   # each (B, 1, H, W)
    return hsv_to_rgb(torch.cat([hue + offset, saturation, value], dim=1))


def color_jitter(images: Tensor, how: Augmentation, generator: Generator) -> Tensor:
    """Brightness, contrast, saturation and hue, each by a random offset of its own.

    Every image has its own order of the four.
    """
    strengths = images.new_tensor(
        [how.brightness, how.contrast, how.saturation, how.hue]
    )
    changes = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)
    B, out = len(images), images.clone()
    offsets = (2 * draw(generator, (B, 4), images) - 1) * strengths  # (B, 4)
    order = draw(generator, (B, 4), images).argsort(dim=1)        # (B, 4)
    note(generator, "colours", offsets)
    for turn in range(4):
        for i, change in enumerate(changes):
            rows = (order[:, turn] == i).nonzero().squeeze(1)
            offset = offsets[rows, i].view(-1, 1, 1, 1)
            out[rows] = change(out[rows], offset).clamp(0, 1)
    return out


def greyscale(images: Tensor) -> Tensor:
    """Luma in all three channels."""
    luma = images.new_tensor([0.2989, 0.5870, 0.1140]).view(1, 3, 1, 1)
    return (images * luma).sum(dim=1, keepdim=True).expand_as(images)


def gaussian_blur(images: Tensor, generator: Generator) -> Tensor:
    """Sigma uniform in 0.1 to 2 pixels, the window a tenth of the image (23 of 224)."""
    B, C, H, W = images.shape
    radius = max(1, H // 20)
    sigma = 0.1 + 1.9 * draw(generator, (B, 1), images)           # (B, 1)
    note(generator, "sigma", sigma)
    d = torch.arange(-radius, radius + 1).to(images)              # (k,)
    kernel = torch.softmax(-d.square() / (2 * sigma.square()), dim=1)  # (B, k)  -- G
    kernel = kernel.repeat_interleave(C, dim=0)[:, None]          # (BC, 1, k)
    x = F.pad(images, (radius,) * 4, mode="replicate").flatten(0, 1)[None]
    # Autocast would run the convolution, and so the pixels, in half precision.
    with torch.autocast(images.device.type, enabled=False):
        x = F.conv2d(x, kernel[..., None, :], groups=B * C)       # (1, BC, H + 2r, W)
        x = F.conv2d(x, kernel[..., None], groups=B * C)          # (1, BC, H, W)
    return x.view(B, C, H, W)


def augment(
    images: Tensor, how: Augmentation, size: int, generator: Generator
) -> Tensor:
    """One view of each image, every image with its own luck, in the paper's order.

    images: (B, 3, H, W) in [0, 1]. Returns (B, 3, size, size) in [0, 1].
    """
    note(generator, "view", how)
    x = random_resized_crop(images, size, how.area, generator)    # -- crop
    x = sometimes(x, 0.5, generator, flip)                        # -- flip
    x = sometimes(
        x, how.jitter, generator, lambda x: color_jitter(x, how, generator)
    )                                                             # -- jitter
    x = sometimes(x, how.grey, generator, greyscale)              # -- greyscale
    x = sometimes(
        x, how.blur, generator, lambda x: gaussian_blur(x, generator)
    )                                                             # -- blur
    return x.clamp(0, 1)


def normalize(images: Tensor) -> Tensor:
    """Pixels in [0, 1] to the encoder's input, by ImageNet's mean and deviation."""
    mean = images.new_tensor(MEAN).view(1, 3, 1, 1)
    std = images.new_tensor(STD).view(1, 3, 1, 1)
    return (images - mean) / std


def two_views(
    images: Tensor, generator: Generator, how: Augmentation = Augmentation()
) -> tuple[Tensor, Tensor]:
    """Two independent draws t(x) and t'(x) from one distribution, at the same height.

    images: (B, 3, H, W) in [0, 1]. Returns two (B, 3, H, H), normalised as the encoder
    wants them.
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(
            f"images of shape {tuple(images.shape)}; views are made of (B, 3, H, W) "
            "in [0, 1]"
        )
    size = images.shape[-2]
    first = augment(images, how, size, generator)        # (B, 3, H, H)  -- view t
    second = augment(images, how, size, generator)       # (B, 3, H, H)  -- view t prime
    return normalize(first), normalize(second)


def views(images: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """SimCLR's two views of a batch: (B, 3, H, W) in [0, 1] to two (B, 3, H, H)."""
    return two_views(images, generator)


# The network (Sec. 2.1)


class SimCLRProjectionHead(nn.Module):
    """g: one hidden layer, batch norm behind both. Its output is for the loss alone."""

    def __init__(
        self, in_dim: int = 2048, hidden_dim: int = 2048, out_dim: int = 128
    ):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(in_dim, hidden_dim, bias=False), nn.BatchNorm1d(hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, out_dim, bias=False), nn.BatchNorm1d(out_dim),
        )

    def forward(self, h: Tensor) -> Tensor:
        """(B, in_dim) to z, (B, out_dim)."""
        return self.layers(h)                            # (B, out_dim)  -- g


class SimCLR(nn.Module):
    """Encoder f and projection head g, the same for both views.

    encoder: any module from images to (B, width). It alone is kept after training: h
    says more about the image than z (Sec. 4.2).
    """

    def __init__(
        self, encoder: nn.Module, width: int, dim: int = 128, temperature: float = 0.1
    ):
        super().__init__()
        self.temperature = temperature
        self.encoder = encoder
        self.projector = SimCLRProjectionHead(width, width, dim)

    def forward(self, x1: Tensor, x2: Tensor) -> tuple[Tensor, Tensor]:
        """Two views to z1, z2, (B, D) each. Batch norm sees all 2B of them at once."""
        h = self.encoder(torch.cat([x1, x2]))            # (2B, width)  -- h
        z1, z2 = self.projector(h).chunk(2)              # (B, D)  -- z
        return z1, z2


# The loss (Eq. 1, Algorithm 1)


def rank_and_world() -> tuple[int, int]:
    """This process's number and how many there are; (0, 1) where none were started."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1                                          # -- alone


class Gather(torch.autograd.Function):
    """Forward, everybody's rows; back, what everybody's loss says about one's own."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        shards = [torch.empty_like(z) for _ in range(dist.get_world_size())]
        dist.all_gather(shards, z.contiguous())
        return torch.cat(shards)                         # (W B, D)  -- every device

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        grad = grads[0].clone()                          # (W B, D)
        dist.all_reduce(grad)                            # -- summed over devices
        return grad.chunk(dist.get_world_size())[dist.get_rank()]  # (B, D)


def gather(z: Tensor) -> Tensor:
    """The rows of all processes in order of rank, (B, D) to (W B, D), with gradients.

    One process, or none started: z itself. A gradient sums what all processes' losses
    say, so that DistributedDataParallel's mean is the gradient of the mean loss.
    """
    return z if rank_and_world()[1] == 1 else Gather.apply(z)


def own_rows(z: Tensor) -> Tensor:
    """Where this process's rows stand among those of `gather`: (B, D) to (B,)."""
    return rank_and_world()[0] * len(z) + torch.arange(len(z), device=z.device)


def nt_xent_loss(
    z1: Tensor, z2: Tensor, temperature: float = 0.1, normalize: bool = True
) -> Tensor:
    """Pick the other view out of the batch: the mean of Eq. 1 over 2B anchors.

    z1, z2: (B, D), row i of both from one image. `normalize` brings them to unit
    length. The softmax runs over 2B - 1 candidates: the partner and 2B - 2 negatives.
    With several processes the candidates come from all, the anchors from this one.
    """
    if z1.shape != z2.shape or z1.ndim != 2:
        raise ValueError(
            f"views {tuple(z1.shape)} and {tuple(z2.shape)} must have one shape (B, D)"
        )
    if temperature <= 0:
        raise ValueError(f"temperature {temperature} must be above 0")
    # Cosines divided by a small tau do not survive half precision.
    with torch.autocast(z1.device.type, enabled=False):
        z1, z2 = (z.to(torch.promote_types(z.dtype, torch.float32)) for z in (z1, z2))
        if normalize:
            z1, z2 = F.normalize(z1, dim=1), F.normalize(z2, dim=1)
        anchors = torch.cat([z1, z2]) / temperature             # (2B, D)
        all1, all2 = gather(z1), gather(z2)                     # (W B, D)
        logits = anchors @ torch.cat([all1, all2]).T            # (2B, 2W B)  -- cosines

        own = own_rows(z1)                                      # (B,)
        itself = torch.cat([own, own + len(all1)])              # (2B,)
        partner = torch.cat([own + len(all1), own])             # (2B,)
        logits = logits.scatter(1, itself[:, None], -torch.inf)  # -- candidates
        return F.cross_entropy(logits, partner)                 # ()  -- NT-Xent


# Training


def build(config: Config = TINY) -> SimCLR:
    """A whole training model around a ViT whose class token is the representation."""
    encoder = ViT(
        config.img_size, config.patch_size, config.width, config.depth, config.heads
    )
    return SimCLR(encoder, config.width, config.dim, config.temperature)


def training_step(
    model: SimCLR, batch: tuple[Tensor, Tensor], step: int, steps: int
) -> tuple[Tensor, dict[str, float]]:
    """One step's loss, and what to watch: `accuracy` is 1/B by chance."""
    z1, z2 = model(*batch)
    loss = nt_xent_loss(z1, z2, model.temperature)
    return loss, {"loss": loss.item(), "accuracy": contrastive_accuracy(z1, z2)}


@torch.no_grad()
def contrastive_accuracy(z1: Tensor, z2: Tensor) -> float:
    """How often the second view of an image is the one closest to its first."""
    cosines = F.normalize(z1, dim=1) @ F.normalize(z2, dim=1).T  # (B, B)
    own = torch.arange(len(z1), device=z1.device)
    return (cosines.argmax(dim=1) == own).double().mean().item()


def features(model: SimCLR, images: Tensor) -> Tensor:
    """Patch tokens of the encoder. images: (B, 3, H, W), normalised; (B, N, width)."""
    return patch_tokens(model.encoder, images)
