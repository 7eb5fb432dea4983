"""Frequencies demo: a trained layer's heads as Hi-Fi, as Lo-Fi, and shared out.

The heads are a plain ViT's, since no small HiLo network comes with trained weights.
What each layer is given is stored; the rest follows at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from demos.drawing import boards, pictures
from demos.drawing.frame import Framed
from demos.drawing.plots import Axis, plot
from demos.drawing.spectra import amplitudes, rings
from demos.intake import images
from demos.pieces import maps, tokens
from demos.scene import Numbers, Scene

SIDE = 224  # pixels, in area, of what the model reads
TINY = 1e-9
HALF = 462                 # pixels, the longer side of one of two on a board
PLANE, DECADES = 304, 2.5  # pixels a side; powers of ten from black to pale
UNIT = 4    # patches: sides of the map are multiples of the largest window
PLAIN, HIGH, LOW = "plain attention", "all heads Hi-Fi", "all heads Lo-Fi"
ROOT = "by square roots, so that weak ones show"
BORROWED = (
    "The heads were trained as plain attention, in a ViT; those of a HiLo network "
    "would have grown into their parts."
)


@dataclass(frozen=True)
class Path:
    """One way to compute the layer. looks: from the chosen patch, mean over heads."""

    output: np.ndarray  # (rows, columns, C)
    looks: np.ndarray   # (rows, columns), sum 1


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """Where the chosen patch looks by each path, and in what frequencies it answers."""
    loaded, options, recorder = scene.loaded, scene.options, scene.recorder
    layer = tokens.layer_index(int(options["layer"]), loaded.depth)
    fitted = images.fit(scene.picture, SIDE, UNIT * loaded.patch_size)
    at = Framed.at(options, fitted.grid(loaded.patch_size))
    given = scene.stage("tokens", lambda: tokens.read_tokens(scene, fitted))["tokens"]
    recorder.progress(1, 2, "Attending in each way")
    paths = computed(scene, torch.from_numpy(given[layer]), layer, at)
    spectra = {name: rings(path.output) for name, path in paths.items()}
    draw_shared(scene, fitted, paths, at)
    draw_looks(scene, fitted, paths, at)
    draw_spectra(scene, spectra)
    draw_planes(scene, paths)
    recorder.arrays(
        "paths", "For each path its output (rows, columns, channels) in half "
        "precision, where the patch looks (rows, columns), and amplitudes as (cycles "
        "per patch, amplitude).",
        # Packing the outputs whole took a third of a warm run.
        **{f"output_{n}": path.output.astype(np.float16)
           for n, path in enumerate(paths.values())},
        **{f"looks_{n}": path.looks for n, path in enumerate(paths.values())},
        **{f"spectrum_{n}": np.array(s) for n, s in enumerate(spectra.values())},
    )
    recorder.progress(2, 2, "Done")
    heads = loaded.model.blocks[layer].attn.heads
    keys = ("plain", "high", "low", "hilo")
    fastest = (round(curve[-1][1], 5) for curve in spectra.values())
    named = zip(keys, fastest, strict=True)
    return {
        "layer": layer, "low_heads": low_heads(heads, float(options["alpha"])),
        "heads": heads, **{f"fastest_amplitude_{key}": value for key, value in named},
    }


def low_heads(heads: int, alpha: float) -> int:
    """How many of the heads are Lo-Fi's, as the layer rounds."""
    return int(heads * alpha)


def computed(
    scene: Scene, given: Tensor, layer: int, at: Framed
) -> dict[str, Path]:
    """The layer's heads as they are, all in either branch, and shared out by alpha."""
    block, (rows, columns) = scene.loaded.model.blocks[layer], at.grid
    x = block.norm1(given.to(scene.device))[None, scene.loaded.num_prefix :]
    window, alpha = int(str(scene.options["window"])), float(scene.options["alpha"])
    heads, paths = block.attn.heads, {}
    ways = {PLAIN: (1, 1.0), HIGH: (window, 0.0), LOW: (window, 1.0)}
    low = low_heads(heads, alpha)
    ways[f"HiLo: {heads - low} high, {low} low"] = (window, alpha)
    for name, (s, share) in ways.items():
        scene.recorder.alive()
        built = scene.module.from_plain(block.attn.qkv, heads, s, share)
        out, weights = built(x, rows, columns, need_weights=True)
        looks = looked(weights, at, built.s)
        paths[name] = Path(out[0].view(rows, columns, -1).cpu().numpy(), looks)
    return paths


def looked(
    weights: tuple[Tensor | None, Tensor | None], at: Framed, s: int
) -> np.ndarray:
    """What the patch takes from each other, mean over all heads: (rows, columns).

    A pooled window's weight is spread evenly over its patches, as it was averaged.
    """
    (rows, columns), (row, column) = at.grid, at.place
    heads, total = 0, np.zeros(at.grid, np.float32)
    high, low = weights
    if high is not None:  # (1, M, h, ss, ss)
        window = (row // s) * (columns // s) + column // s
        inside = high[0, window, :, (row % s) * s + column % s].sum(0)   # (ss,)
        total[in_window(at, s)] += inside.view(s, s).cpu().numpy()
        heads += high.shape[2]
    if low is not None:   # (1, h, N, M)
        pooled = low[0, :, at.index].sum(0).view(rows // s, columns // s) / s**2
        total += pooled.cpu().numpy().repeat(s, 0).repeat(s, 1)
        heads += low.shape[1]
    return total / heads


# Pictures


def over(picture: Image.Image, path: Path, at: Framed) -> Image.Image:
    """Where a path looks, laid over the greyed picture, the asking patch framed."""
    grey = picture.convert("L").convert("RGB")
    heat = pictures.heat_map(np.sqrt(path.looks), picture.size, smooth=False)
    return at.marked(Image.blend(grey, heat, 0.7))


def draw_shared(
    scene: Scene, fitted: images.Fitted, paths: dict[str, Path], at: Framed
) -> None:
    """Where the patch looks with its heads shared out: the picture to choose it in."""
    name, path = list(paths.items())[-1]
    held = path.looks[in_window(at, int(str(scene.options["window"])))].sum()
    scene.recorder.picture(
        "hilo", over(fitted.display, path, at),
        f"Where the framed patch ({at}) looks with the layer's heads shared out ({name}"
        "), mean over heads: the high ones inside its window, the low ones everywhere, "
        f"in blocks. Dark is least, pale yellow most, {ROOT}; its window holds "
        f"{100 * held:.0f} %. {BORROWED} {fitted.note}",
        f"Heat map over the picture for the patch in {at}: "
        f"{maps.described(path.looks)}; {100 * held:.0f} % in its window.", plane=True,
    )


def in_window(at: Framed, s: int) -> tuple[slice, slice]:
    """The rows and columns of the patch's window."""
    top, left = (n // s * s for n in at.place)
    return slice(top, top + s), slice(left, left + s)


def draw_looks(
    scene: Scene, fitted: images.Fitted, paths: dict[str, Path], at: Framed
) -> None:
    """The same by each path alone, beside the picture itself."""
    small, window = pictures.scaled(fitted.display, HALF), scene.options["window"]
    names = list(paths)[:3]
    tiles = [at.marked(small), *(over(small, paths[name], at) for name in names)]
    scene.recorder.picture(
        "looks", boards.board(tiles, ["the patch that asks", *names], 2),
        "Where the patch looks by each path alone. Plain attention sees every patch. "
        f"Hi-Fi sees its window of {window} × {window} alone, in full detail; Lo-Fi "
        "sees everything, but averaged window by window. Each map uses its full range, "
        f"{ROOT}.",
        f"Four pictures with a frame at {at}: the picture, and heat maps of plain "
        f"attention, of Hi-Fi, lit in one window of {window} × {window} patches alone, "
        "and of Lo-Fi, over the whole picture in blocks.",
    )


def draw_spectra(
    scene: Scene, spectra: dict[str, list[tuple[float, float]]]
) -> None:
    """How much each path's output changes at each speed."""
    ends = "; ".join(
        f"{name} from {curve[0][1]:.2g} to {curve[-1][1]:.2g}"
        for name, curve in spectra.items()
    )
    fast = {name: curve[-1][1] for name, curve in spectra.items()}
    pairs = zip(spectra[LOW], spectra[PLAIN], strict=True)
    ahead = fast[HIGH] / max(fast[LOW], TINY)
    kept = np.mean([low[1] / max(all_[1], TINY) for low, all_ in pairs])
    scene.recorder.picture(
        "spectrum",
        plot(spectra, Axis("cycles per patch"), Axis("amplitude", log=True)),
        "How strongly each path's output changes over the picture: slow changes "
        "(layout) left, fast ones (detail) right. Lo-Fi has "
        f"{100 * kept:.0f} % of plain attention's amplitude on average, with keys and "
        f"values averaged before; the detail is Hi-Fi's, at the fastest {ahead:.1f} "
        "times Lo-Fi's. Nothing filters on purpose, so Hi-Fi has slow changes too.",
        f"Amplitude over frequency, a curve each: {ends}.",
    )


def draw_planes(scene: Scene, paths: dict[str, Path]) -> None:
    """The same before it is averaged over directions, all on one scale of colours."""
    names = list(paths)[:3]
    planes = [np.log10(amplitudes(paths[name].output) + TINY) for name in names]
    middle = tuple(n // 2 for n in planes[0].shape)
    for plane in planes:
        plane[middle] = plane.min()  # the mean, which is no change
    floor = max(plane.max() for plane in planes) - DECADES
    stack = np.concatenate([plane.clip(floor) for plane in planes], axis=1)
    drawn = pictures.heat_map(stack, (3 * PLANE, PLANE), smooth=False)
    tiles = [drawn.crop((PLANE * n, 0, PLANE * (n + 1), PLANE)) for n in range(3)]
    pairs = zip(names, planes, strict=True)
    lit = (f"{n} at {100 * (plane > floor).mean():.0f} %" for n, plane in pairs)
    scene.recorder.picture(
        "planes", boards.board(tiles, names, 3),
        "The amplitude of every frequency: slow changes in the middle, fast ones at "
        "the edges, across the picture to the sides and down it up and down. One scale "
        f"of colours for all; black is {10**DECADES:.0f} times weaker than the palest. "
        "The mean, in the very middle, is left out.",
        f"Three maps of amplitude by frequency, not black: {', '.join(lit)} of them.",
    )
