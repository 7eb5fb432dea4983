"""Patch features as colours: what a model tells apart, for the eye."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from demos.intake import images
from reference_impls.simclr import normalize

PCA_RULE = (
    "Colours are the three main directions of the patch features (PCA), each stretched "
    "to its own range; they are fitted anew each time, so a colour has no meaning "
    "across pictures, but like-coloured patches have like features."
)


@torch.no_grad()
def feature_colours(
    module: ModuleType, model: nn.Module, image: Image.Image, device: torch.device
) -> np.ndarray:
    """Patch features of a picture as colours, (rows, columns, 3) in [0, 1].

    module: the paper's, with `features`; its sides must be multiples of the patch.
    """
    pixels = torch.from_numpy(images.to_array(image))[None].to(device)  # (1, 3, H, W)
    was_training = model.training
    model.eval()
    tokens = module.features(model, normalize(pixels))[0]    # (N, D)
    model.train(was_training)
    patch = round((image.width * image.height / len(tokens)) ** 0.5)
    grid = (image.height // patch, image.width // patch)
    return principal_colours(tokens.float().cpu()).view(*grid, 3).numpy()


def principal_colours(tokens: Tensor) -> Tensor:
    """(N, D) to (N, 3): the first three principal components, 2 % to 98 % onto [0, 1].

    Each axis points to where its largest feature is positive, so signs do not flip.
    """
    tokens = tokens.nan_to_num()  # a training that exploded still gets its picture
    centred = tokens - tokens.mean(0)                            # (N, D)
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    axes = axes[:3]                                              # (3, D)
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))  # (3, 1)
    scores = centred @ (axes * largest.sign()).T                 # (N, 3)
    low, high = scores.quantile(torch.tensor([0.02, 0.98]), dim=0)
    return ((scores - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)


def painted(colours: np.ndarray, fitted: images.Fitted) -> Image.Image:
    """Feature colours at the size of the picture, patches left square."""
    tiny = Image.fromarray((colours * 255).round().astype(np.uint8))
    return tiny.resize(fitted.display.size, Image.Resampling.NEAREST)
