"""Reconstruction demo: hide patches, let the model paint them, show what it knew."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from demos import images, pictures
from demos.listening import listening
from demos.results import Recorder
from demos.weights import Loaded

HIDDEN = (0.45, 0.47, 0.51)  # colour of a hidden patch
EDGES = "Edges along the grid are normal: each patch is painted by itself."
BORROWED = (
    " These weights were trained on normalised pixels, so each painted patch takes its "
    "brightness and contrast from the true one."
)


@torch.no_grad()
def show(
    module: ModuleType,
    loaded: Loaded,
    picture: Image.Image,
    options: Mapping,
    recorder: Recorder,
    device: torch.device,
) -> dict[str, float | int | str | list]:
    """Run the demo on one RGB picture; files go to the recorder, numbers come back.

    module: the paper's, with `reconstruct`.
    """
    fitted = images.square(picture, loaded.image_side)
    pixels = torch.from_numpy(images.to_array(fitted.image))[None].to(device)
    recorder.progress(0, 3, "Hiding patches")
    model, patch = loaded.model.to(device), loaded.patch_size
    rows, columns = fitted.grid(patch)
    noise = drawn_noise(rows * columns, int(options["seed"])).to(device)
    with listening(model, recorder.alive):
        result = module.reconstruct(
            model, loaded.normalise(pixels), float(options["ratio"]), noise
        )
    hidden = result.mask[0].view(rows, columns).bool().cpu().numpy()   # (rows, columns)
    outputs = (result.prediction, result.pasted)
    shown = (loaded.denormalise(o)[0].float().cpu().numpy() for o in outputs)
    prediction, pasted = shown                                         # (3, H, W)
    original = pixels[0].cpu().numpy()
    edges = EDGES + (BORROWED if model.norm_pix_loss else "")
    draw(fitted, original, prediction, pasted, hidden, edges, recorder)
    return measure(original, pasted, hidden)


def drawn_noise(patches: int, seed: int) -> Tensor:
    """(1, N) uniform; the patches with most of it are hidden."""
    return torch.rand(1, patches, generator=torch.Generator().manual_seed(seed))


def measure(
    original: np.ndarray, pasted: np.ndarray, hidden: np.ndarray
) -> dict[str, float | int | str | list]:
    """Counts, and PSNR in dB over hidden pixels: the model's and a flat colour's."""
    inside = on_pixels(hidden, original.shape[1])                # (H, W)
    truth, painted = original[:, inside], pasted[:, inside].clip(0, 1)  # (3, M)
    flat = original[:, ~inside].mean(1, keepdims=True)           # (3, 1)
    return {
        "patches": hidden.size,
        "visible_patches": int((~hidden).sum()),
        "psnr_hidden_db": psnr(painted, truth),
        "psnr_mean_colour_db": psnr(flat, truth),
    }


def psnr(picture: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of values in [0, 1]; at most 99."""
    error = float(np.square(picture - truth).mean())
    return round(-10 * np.log10(max(error, 10**-9.9)), 2)


def on_pixels(mask: np.ndarray, side: int) -> np.ndarray:
    """(rows, columns) repeated to (side, side)."""
    patch = side // mask.shape[0]
    return mask.repeat(patch, 0).repeat(patch, 1)


# Pictures


def draw(
    fitted: images.Fitted,
    original: np.ndarray,
    prediction: np.ndarray,
    pasted: np.ndarray,
    hidden: np.ndarray,
    edges: str,
    recorder: Recorder,
) -> None:
    """The four pictures side by side, then each alone, then the arrays."""
    visible, total = int((~hidden).sum()), hidden.size
    inside = on_pixels(hidden, original.shape[1])                # (H, W)
    covered = np.where(inside, np.array(HIDDEN)[:, None, None], original)
    shown = f"{visible} of {total} patches visible"
    captions = {
        "original": f"The middle square as the model reads it. {fitted.note}",
        "masked": f"What the model sees: {shown}.",
        "reconstruction": "What the decoder paints everywhere. Visible patches are "
                          "painted badly because the loss never looks at them.",
        "pasted": "The visible patches from the picture, the hidden ones painted. "
                  + edges,
    }
    arrays = (original, covered, prediction, pasted)
    zoom = fitted.zoom
    tiles = [pictures.crisp(images.from_array(array), zoom) for array in arrays]
    alt = f"The picture with {shown}."
    first = recorder.picture("hidden", tiles[1], captions["masked"], alt, partial=True)
    recorder.progress(1, 3, "Drawing", artifact=first)
    recorder.picture(
        "comparison",
        pictures.sheet(tiles, list(captions), columns=4, cell=320),
        f"From left to right: the picture, what the model sees ({shown}), what it "
        f"paints, and the painted patches set into the picture. {edges}",
        f"Four squares in a row: original, masked ({shown}), reconstruction, pasted.",
    )
    recorder.progress(2, 3, "Drawing")
    for (name, caption), tile in zip(captions.items(), tiles, strict=True):
        recorder.picture(name, tile, caption, f"{name.capitalize()}: {shown}.")
    recorder.arrays(
        "arrays", "The pictures as numbers, (3, H, W) in [0, 1] before clipping, and "
        "the mask (rows, columns), True where hidden.", original=original,
        prediction=prediction, pasted=pasted, mask=hidden,
    )
    recorder.progress(3, 3, "Done")
