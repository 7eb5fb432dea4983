"""Pointer demo: colours and a mark carried through a clip by pointing back in time.

The network learns for some seconds on the clip itself, as the paper has it: grey frames
in, colours to be copied. What it is worth is told beside what brightness alone gives.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from demos.drawing import pictures
from demos.intake.frames import evenly
from demos.pieces import clips
from demos.pieces.pointing import by_patches, trained
from demos.scene import Card, Numbers, Scene

SHORT, MULTIPLE, FRAMES = 80, 8, 8
MOMENTS, CELL, LARGE = 4, 250, 640
FAINT = 0.05                  # a mark that is weaker everywhere is lost
TINT = (247, 161, 62)        # of the mark

WEIGHTS = Card(
    "trained in this run", "from random weights", True,
    "It has seen nothing but this clip, so it knows nothing else.",
)


def show(scene: Scene) -> Numbers:
    """Train, or take the features from before; then carry labels through the clip."""
    recorder, module = scene.recorder, scene.module
    clip = clips.prepared(scene.frames, SHORT, MULTIPLE, 4)
    pixels = clip.pixels[:, evenly(range(clip.length), FRAMES)].to(scene.device)
    stage = scene.stage("features", lambda: trained(scene, pixels))
    features = {"trained": torch.from_numpy(stage["features"]).to(pixels)}
    lab = module.rgb_to_lab(pixels[None])                        # (1, 3, T, H, W)
    grid = (int(stage["grid"][0]), int(stage["grid"][1]))        # rows, columns
    features["patches"] = by_patches(lab[:, :1], grid)
    labels, truth = first_labels(scene, lab, stage["centroids"], grid)
    carried = {}
    for name, one in features.items():
        carried[name] = module.track(
            one, labels[:, 0], temperature=float(scene.options["temperature"])
        )                                                        # (1, T, N, 16 + 1)
        recorder.alive()
    centroids = torch.from_numpy(stage["centroids"]).to(pixels)
    colours = {n: one[..., :-1] @ centroids for n, one in carried.items()}
    marks = {n: one[0, :, :, -1] for n, one in carried.items()}  # (T, N)
    draw(scene, lab, grid, colours, marks, clip.note)
    recorder.arrays(
        "carried", "Copied colours (ab), and the mark, by place (rows x columns) and "
        "frame; by the trained network and by patches of brightness.",
        trained=colours["trained"][0].cpu().numpy(),
        patches=colours["patches"][0].cpu().numpy(), truth=truth[0].cpu().numpy(),
        mark=marks["trained"].cpu().numpy(), loss=stage["loss"],
    )
    steps = int(scene.options["steps"])
    return measure(clip, colours, truth, stage["loss"], steps)


def measure(
    clip: clips.Clip, colours: dict[str, Tensor], truth: Tensor, loss: np.ndarray,
    steps: int,
) -> Numbers:
    """How far copied colours are from the true ones, in Lab; later frames only."""
    def off(copied: Tensor) -> float:
        return round(float((copied - truth)[:, 1:].norm(dim=-1).mean()), 2)

    return {
        "steps": len(loss), "loss_first": round(float(loss[:5].mean()), 4),
        "loss_last": round(float(loss[-5:].mean()), 4),
        "error_trained": off(colours["trained"]),
        "error_patches": off(colours["patches"]),
        "error_same_place": off(truth[:, :1].expand_as(truth)),
        "error_grey": off(torch.zeros_like(truth)),
        "panned": "yes" if clip.panned else "no",
        "stopped_early": "no" if len(loss) == steps else "the time limit was near",
    }


# Labels


def first_labels(
    scene: Scene, lab: Tensor, centroids: np.ndarray, grid: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Cluster of each place's colour and the mark, (1, T, N, 16 + 1), and its colour.

    Only the first frame's are used for labels; the colours (1, T, N, 2) are the truth.
    """
    small = F.adaptive_avg_pool3d(lab[:, 1:], (lab.shape[2], *grid))
    truth = scene.module.tokens(small)                           # (1, T, N, 2)
    known = torch.from_numpy(centroids).to(lab)
    cluster = scene.module.quantize(truth, known)                # (1, T, N)
    hot = F.one_hot(cluster, len(known)).to(lab)
    mark = marked(scene, grid).to(lab).expand(1, lab.shape[2], -1)
    return torch.cat([hot, mark[..., None]], dim=-1), truth


def marked(scene: Scene, grid: tuple[int, int]) -> Tensor:
    """Which places (N,) of the grid lie in the chosen square; at least one does."""
    rows, columns = grid
    x, y, size = (float(scene.options[name]) for name in ("x", "y", "size"))
    half = max(0.5, size * min(grid) / 2)
    down = (torch.arange(rows) + 0.5 - y * rows).abs() <= half
    across = (torch.arange(columns) + 0.5 - x * columns).abs() <= half
    return (down[:, None] & across).flatten()


# Pictures


def draw(
    scene: Scene, lab: Tensor, grid: tuple[int, int], colours: dict[str, Tensor],
    marks: dict[str, Tensor], note: str,
) -> None:
    """Rows: the clip, copied colours two ways, and the mark; some frames of each."""
    moments = evenly(range(lab.shape[2]), MOMENTS)
    lab = lab[:, :, moments]
    frames = painted(scene, lab, lab[:, 1:])
    rows = {"as it is": frames} | {
        name: painted(scene, lab, enlarged(one[:, moments], grid, lab))
        for name, one in colours.items()
    } | {
        f"mark, {name}": [
            tinted(frame, one.view(grid))
            for frame, one in zip(frames, mark[moments], strict=True)
        ]
        for name, mark in marks.items()
    }
    first = next(iter(marks.values()))[0].view(grid)
    scene.recorder.picture(
        "mark", tinted(pictures.scaled(frames[0], LARGE), first),
        "The first frame, and in orange the square that is to be followed through the "
        "clip. Where it goes stands in the next picture.",
        "The first frame with a square marked in orange.", plane=True,
    )
    cells = [cell for row in rows.values() for cell in row]
    words = [f"{name}, frame {t + 1}" for name in rows for t in moments]
    scene.recorder.picture(
        "pointer", pictures.sheet(cells, words, len(moments), CELL),
        "The clip; then a grey clip coloured from its first frame alone, once by the "
        "network trained here and once by matching patches of brightness; then a "
        "square marked in the first frame and carried along both ways, brightest where "
        "most of it went. Each place points at places in up to three frames before it "
        f"and copies what they have, at {grid[0]} by {grid[1]} places a frame, so "
        f"edges are coarse, and errors are copied on. {note} Some seconds on one clip "
        "make no tracker: compare its error with those of patches, and of copying the "
        "same place.",
        "Five rows of frames: the clip, its colours copied by the trained network and "
        "by patches, and a mark carried along in both ways.",
    )


def enlarged(ab: Tensor, grid: tuple[int, int], like: Tensor) -> Tensor:
    """Colours by place, (1, T, N, 2), at the size of the frames: (1, 2, T, H, W)."""
    maps = ab[0].transpose(1, 2).unflatten(2, grid)              # (T, 2, h, w)
    big = F.interpolate(maps, like.shape[3:], mode="bilinear", align_corners=False)
    return big.transpose(0, 1)[None]


def painted(scene: Scene, lab: Tensor, ab: Tensor) -> list[Image.Image]:
    """The clip's lightness with these colours."""
    rgb = scene.module.lab_to_rgb(torch.cat([lab[:, :1], ab], dim=1))
    return clips.to_images(rgb[0])


def tinted(frame: Image.Image, mark: Tensor) -> Image.Image:
    """The frame dimmed, and tinted where the mark (rows, columns) is, its peak most."""
    share = (mark / mark.max().clamp(min=FAINT) * 255).byte().cpu().numpy()
    mask = Image.fromarray(share).resize(frame.size, Image.Resampling.BILINEAR)
    dim = frame.convert("L").convert("RGB").point(lambda v: v * 0.5)
    bright = Image.blend(frame, Image.new("RGB", frame.size, TINT), 0.5)
    return Image.composite(bright, dim, mask)
