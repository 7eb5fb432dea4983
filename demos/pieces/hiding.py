"""Hide patches, let a model paint them, and measure: what demos of hiding share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from demos.drawing import pictures
from demos.intake import images
from demos.listening import listening
from demos.scene import Scene
from demos.weights import Loaded

CELL = 304  # pixels: the least side of an enlarged picture
HIDDEN = (0.45, 0.47, 0.51)  # colour of a hidden patch
EDGES = "Edges along the grid are normal: each patch is painted by itself."
BORROWED = (
    " These weights were trained on normalised pixels, so each painted patch takes its "
    "brightness and contrast from the true one."
)
MODEL, BLEND, FLAT = "the model", "blend of visible patches", "one flat colour"


@dataclass(frozen=True)
class Painted:
    """One picture under B masks. Pictures are (…, 3, H, W), in [0, 1] if clipped."""

    original: np.ndarray    # (3, H, W)
    prediction: np.ndarray  # (B, 3, H, W)
    pasted: np.ndarray      # (B, 3, H, W): the prediction where hidden, else the truth
    hidden: np.ndarray      # (B, rows, columns), bool

    def covered(self, i: int) -> np.ndarray:
        """What the model sees under the i-th mask, (3, H, W)."""
        inside = on_pixels(self.hidden[i], self.original.shape[1])
        return np.where(inside, np.array(HIDDEN)[:, None, None], self.original)

    def psnr(self) -> dict[str, float]:
        """PSNR over hidden pixels, mean over the masks: the model's, two without one.

        Blended: each hidden patch a mean of the visible ones' colours, near ones
        weighing most. Flat: the mean colour of all visible pixels.
        """
        scores = [self.psnr_of(i) for i in range(len(self.hidden))]
        return {name: float(np.mean([s[name] for s in scores])) for name in scores[0]}

    def psnr_of(self, i: int) -> dict[str, float]:
        """The same under the i-th mask alone."""
        inside = on_pixels(self.hidden[i], self.original.shape[1])     # (H, W)
        truth = torch.from_numpy(self.original)[None]
        mask = torch.from_numpy(self.hidden[i]).flatten()[None].float()
        patch = self.original.shape[1] // len(self.hidden[i])
        blend = blend_of_visible(truth, mask, patch, sigma=1.0)[0].numpy()
        flat = self.original[:, ~inside].mean(1, keepdims=True)        # (3, 1)
        guesses = (self.pasted[i][:, inside].clip(0, 1), blend[:, inside], flat)
        goal = self.original[:, inside]                                # (3, M)
        names = (MODEL, BLEND, FLAT)
        return {n: psnr(g, goal) for n, g in zip(names, guesses, strict=True)}


def paint(scene: Scene, fitted: images.Fitted, ratio: float, noise: Tensor) -> Painted:
    """Hide a share of the picture's patches by noise (B, N), and paint them.

    By the paper's `reconstruct`, on the weights of the scene.
    """
    loaded, model = scene.loaded, scene.loaded.model
    pixels = torch.from_numpy(images.to_array(fitted.image)).to(scene.device)
    batch = loaded.normalise(pixels).expand(len(noise), -1, -1, -1)    # (B, 3, H, W)
    with listening(model, scene.recorder.alive):
        result = scene.module.reconstruct(model, batch, ratio, noise.to(scene.device))
    prediction, pasted = (
        loaded.denormalise(one).float().cpu().numpy()
        for one in (result.prediction, result.pasted)
    )
    hidden = result.mask.bool().cpu().numpy()                          # (B, N)
    grid = fitted.grid(loaded.patch_size)
    hidden = hidden.reshape(-1, *grid)
    return Painted(pixels.cpu().numpy(), prediction, pasted, hidden)


def enlarged(arrays: Iterable[np.ndarray]) -> list[Image.Image]:
    """Pictures (3, H, W), large enough for a board, with their pixels left square."""
    plain = [images.from_array(array) for array in arrays]
    return [pictures.crisp(one, -(-CELL // one.width)) for one in plain]


def seams(loaded: Loaded) -> str:
    """What is to be said of every painted picture."""
    return EDGES + (BORROWED if loaded.model.norm_pix_loss else "")


def drawn_noise(patches: int, seed: int, masks: int = 1) -> Tensor:
    """(B, N) uniform; the patches with most of it are hidden."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(masks, patches, generator=generator)


def blend_of_visible(
    pixels: Tensor, mask: Tensor, patch: int, sigma: float
) -> Tensor:
    """Each patch as a Gaussian-weighted mean of the visible patches' mean colours.

    pixels: (B, 3, H, W), square. mask: (B, N), 1 where hidden; some patch is visible.
    sigma: in patches. However far the nearest visible patch is, weights sum to 1.
    """
    grid = int(mask.shape[1] ** 0.5)
    means = F.avg_pool2d(pixels, patch).flatten(2)                 # (B, 3, N)
    y, x = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
    at = torch.stack([y, x], -1).flatten(0, 1).float()             # (N, 2)
    near = -torch.cdist(at, at).square() / (2 * sigma**2)          # (N, N)
    hidden = mask[:, None].bool()                                  # (B, 1, N)
    weight = near.masked_fill(hidden, -torch.inf).softmax(-1)      # (B, N, N)
    blend = means @ weight.mT                                      # (B, 3, N)
    return F.interpolate(blend.unflatten(2, (grid, grid)), scale_factor=patch)


def psnr(picture: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of values in [0, 1]; at most 99."""
    error = float(np.square(picture - truth).mean())
    return round(-10 * np.log10(max(error, 10**-9.9)), 2)


def on_pixels(mask: np.ndarray, side: int) -> np.ndarray:
    """(rows, columns) repeated to (side, side)."""
    patch = side // mask.shape[0]
    return mask.repeat(patch, 0).repeat(patch, 1)
