"""Reconstruction demo: hide patches, let the model paint them, show what it knew.

Nothing is kept between runs: share and seed decide what the encoder sees, so another
value of either is another pass through the model.
"""

from __future__ import annotations

import torch

from demos.drawing import pictures
from demos.intake import images
from demos.pieces.hiding import FLAT, MODEL, Painted, drawn_noise, paint, seams
from demos.results import Recorder
from demos.scene import Numbers, Scene


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """Hide patches of the picture and paint them with the paper's `reconstruct`."""
    loaded, options, recorder = scene.loaded, scene.options, scene.recorder
    fitted = images.square(scene.picture, loaded.image_side)
    recorder.progress(0, 3, "Hiding patches")
    rows, columns = fitted.grid(loaded.patch_size)
    noise = drawn_noise(rows * columns, int(options["seed"]))
    painted = paint(scene, fitted, float(options["ratio"]), noise)
    draw(fitted, painted, seams(loaded), recorder)
    return measure(painted)


def measure(painted: Painted) -> Numbers:
    """Counts, and PSNR in dB over hidden pixels: the model's and a flat colour's."""
    scores = painted.psnr()
    return {
        "patches": painted.hidden.size,
        "visible_patches": int((~painted.hidden).sum()),
        "psnr_hidden_db": scores[MODEL],
        "psnr_mean_colour_db": scores[FLAT],
    }


# Pictures


def draw(
    fitted: images.Fitted, painted: Painted, edges: str, recorder: Recorder
) -> None:
    """The four pictures side by side, then each alone, then the arrays."""
    hidden, original = painted.hidden[0], painted.original
    prediction, pasted = painted.prediction[0], painted.pasted[0]
    visible, total = int((~hidden).sum()), hidden.size
    shown = f"{visible} of {total} patches visible"
    captions = {
        "original": f"The middle square as the model reads it. {fitted.note}",
        "masked": f"What the model sees: {shown}.",
        "reconstruction": "What the decoder paints everywhere. Visible patches are "
                          "painted badly because the loss never looks at them.",
        "pasted": "The visible patches from the picture, the hidden ones painted. "
                  + edges,
    }
    arrays = (original, painted.covered(0), prediction, pasted)
    plain = [images.from_array(array) for array in arrays]
    beside = [pictures.crisp(one, max(1, fitted.zoom // 2)) for one in plain]
    alt = f"The picture with {shown}."
    first = recorder.picture("hidden", beside[1], captions["masked"], alt, partial=True)
    recorder.progress(1, 3, "Drawing", artifact=first)
    whole = recorder.picture(
        "comparison",
        pictures.sheet(beside, list(captions), columns=4),
        f"From left to right: the picture, what the model sees ({shown}), what it "
        f"paints, and the painted patches set into the picture. {edges}",
        f"Four squares in a row: original, masked ({shown}), reconstruction, pasted.",
    )
    recorder.progress(2, 3, "Drawing", artifact=whole)
    for (name, caption), one in zip(captions.items(), plain, strict=True):
        tile = pictures.crisp(one, fitted.zoom)
        recorder.picture(name, tile, caption, f"{name.capitalize()}: {shown}.")
    recorder.arrays(
        "arrays", "The pictures as numbers, (3, H, W) in [0, 1] before clipping, and "
        "the mask (rows, columns), True where hidden.", original=original,
        prediction=prediction, pasted=pasted, mask=hidden,
    )
    recorder.progress(3, 3, "Done")
