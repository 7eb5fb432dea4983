"""Filter demo: the main directions of the patch embedding, and a picture through them.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from demos.drawing import pictures, signed, tiles
from demos.intake import images
from demos.pieces.hiding import psnr
from demos.scene import Numbers, Scene

SHOWN = 20      # filters, of the 28 in the paper's figure
FIRST = 5       # of them with a map of the picture each
SIDE = 320      # pixels of the picture that is looked through
TILE, CELL = 150, 300


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """Draw the first filters, what they find, and the picture rebuilt from them."""
    recorder, loaded, patch = scene.recorder, scene.loaded, scene.loaded.patch_size
    recorder.progress(0, 3, "Finding the main directions")
    fitted = images.fit(scene.picture, max(SIDE, patch), patch)
    pixels = torch.from_numpy(images.to_array(fitted.image))[None]
    x = loaded.normalise(pixels)                                 # (1, 3, H, W)
    read = scene.stage("directions", lambda: main_directions(scene, x))
    draw_filters(scene, read)
    recorder.progress(1, 3, "Looking through them")
    own, patches = (torch.from_numpy(read[n]) for n in ("filters", "patches"))
    responses = F.conv2d(x, own[:FIRST], stride=patch)[0].numpy()
    draw_responses(scene, fitted, responses)                     # (k, rows, columns)
    recorder.progress(2, 3, "Rebuilding the picture")
    used = min(int(scene.options["components"]), len(own), len(patches))
    rebuilt = [loaded.denormalise(through(x, f[:used]))[0].numpy()
               for f in (own, patches)]
    quality = [psnr(one.clip(0, 1), pixels[0].numpy()) for one in rebuilt]
    draw_rebuilt(scene, rebuilt, used, quality)
    recorder.arrays(
        "filters", "The main directions (k, 3, P, P), unit length, of the filters and "
        "of the picture's patches; the share of variance that each explains; the first "
        "maps of the picture (k, rows, columns).", **read, responses=responses,
    )
    recorder.progress(3, 3, "Done")
    share = read["share"]
    return {
        "filters_used": used, "numbers_per_patch": int(3 * patch**2),
        "explained_by_first": float(share[0]),
        "explained_by_used": float(share[:used].sum()),
        "psnr_db": quality[0], "psnr_of_own_directions_db": quality[1],
    }


def main_directions(scene: Scene, x: Tensor) -> dict[str, np.ndarray]:
    """`filters` and `patches` (k, 3, P, P), and what each explains, `share`s (k,).

    The paper's function on the map's filters, and on the picture's own patches.
    """
    weight = scene.loaded.model.get_parameter("patch_embed.proj.weight").float().cpu()
    P = weight.shape[-1]                                         # (D, 3, P, P)
    patches = F.unfold(x, P, stride=P)[0].T                      # (N, 3PP)
    patches = patches.unflatten(1, (3, P, P))                    # (N, 3, P, P)
    found: dict[str, np.ndarray] = {}
    for name, share, one in (
        ("filters", "share", weight), ("patches", "patch_share", patches)
    ):
        k = min(64, len(one), one[0].numel())
        directions, explained = scene.module.patch_embed_pca(one, k)
        # A picture of one colour has no variance to explain.
        found |= {name: directions.numpy(), share: explained.nan_to_num().numpy()}
    return found


def through(x: Tensor, filters: Tensor) -> Tensor:
    """The picture from the filters' answers alone: patches projected on their span."""
    patch = filters.shape[-1]
    answers = F.conv2d(x, filters, stride=patch)                 # (1, k, rows, columns)
    return F.conv_transpose2d(answers, filters, stride=patch)    # (1, 3, H, W)


# Pictures


def draw_filters(scene: Scene, read: dict[str, np.ndarray]) -> None:
    """The first directions as colour tiles, grey where zero: filters, then patches."""
    share, own = read["share"], read["patch_share"]
    scene.recorder.picture(
        "filters", tiled(read["filters"], share),
        f"The first {SHOWN} main directions of the map from patches to tokens, and how "
        "much of its variance each explains; grey is zero. In the paper's large model "
        "they are even colours, edges and waves, like those of the next picture. "
        "Learning starts from noise, where tiles are speckles and all shares alike: "
        "the nearer to that, the less has been learnt.",
        f"{SHOWN} small colour tiles; the first explains {100 * share[0]:.0f} %, all "
        f"of them together {100 * share[:SHOWN].sum():.0f} %.",
    )
    scene.recorder.picture(
        "patches", tiled(read["patches"], own),
        "The same of your picture's own patches: from even colours to waves of ever "
        f"finer grain. The first explains {100 * own[0]:.0f} % of all that differs "
        "between the patches.",
        f"Small colour tiles, smooth at first; the first explains {100 * own[0]:.0f} "
        "%.",
    )


def tiled(directions: np.ndarray, share: np.ndarray) -> Image.Image:
    """The first directions, each over its own range, with its share below."""
    shown = directions[:SHOWN]
    most = np.abs(shown).max(axis=(1, 2, 3), keepdims=True)
    small = [images.from_array(one) for one in 0.5 + 0.5 * shown / most]
    large = [tile.resize((TILE, TILE), Image.Resampling.NEAREST) for tile in small]
    labels = [f"{float(f'{100 * v:.2g}'):g} %" for v in share[: len(large)]]
    return pictures.sheet(large, labels, 4)


def draw_responses(
    scene: Scene, fitted: images.Fitted, responses: np.ndarray
) -> None:
    """What the first filters answer, patch by patch."""
    small = tiles.small(fitted, CELL)
    drawn = [small, *(signed.signed_map(one, small.size) for one in responses)]
    labels = ["your picture", *(f"direction {n + 1}" for n in range(len(responses)))]
    scene.recorder.picture(
        "responses", tiles.sheet(drawn, labels, 2),
        f"What the first {len(responses)} directions of the filters answer, one square "
        "per patch. Orange: the patch is like the tile; blue: like its negative; dark: "
        f"neither. Each map has its own scale. {fitted.note}",
        f"The picture and {len(responses)} coarse maps of it.",
    )


def draw_rebuilt(
    scene: Scene, rebuilt: list[np.ndarray], used: int, quality: list[float]
) -> None:
    """What few numbers per patch say of the picture."""
    drawn = [images.from_array(one) for one in rebuilt]
    of = scene.loaded.patch_size**2 * 3
    scene.recorder.picture(
        "rebuilt", tiles.sheet(drawn, ["by the filters", "by its own patches"], 2),
        f"Your picture rebuilt from {used} numbers per patch instead of {of}: by the "
        f"first {used} directions of the filters ({quality[0]:.1f} dB) and of its own "
        f"patches ({quality[1]:.1f} dB). The paper calls its filters a plausible basis "
        "for the fine structure within a patch: then the left comes near the right. "
        "It does not where little was learnt, and a model need not work this way.",
        f"Two copies of the picture rebuilt from {used} numbers per patch, at "
        f"{quality[0]:.1f} and {quality[1]:.1f} dB.",
    )
