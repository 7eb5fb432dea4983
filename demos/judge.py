"""Does a checkpoint beat the controls? Prints figures; `--write` adds them to its card.

    python -m demos.judge attention --checkpoint NAME --data oxford_pets.npz
    python -m demos.judge reconstruction --checkpoint NAME --data imagenette128_val.npz
    python -m demos.judge neighbours --checkpoint NAME --data TRAIN.npz VAL.npz

Attention traces outlines even in networks that learned nothing, so a map counts only
against what needs no network: a guess at the centre, and the map of another image.
Neighbours vote on what a picture shows, against those by raw pixels.
"""

from __future__ import annotations

import argparse
import io
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from demos.fingerprint import CHECKPOINTS
from demos.pieces.hiding import blend_of_visible
from demos.training import packs
from demos.training.figures import Judge, raw_pixels
from demos.training.packs import FOLDER
from demos.weights import Loaded, checkpoint
from reference_impls import mae, vit

Figures = dict[str, float]
ANIMAL = 1  # of a trimap; 2 is background, 3 the border between them


def trimap_patches(path: Path, side: int, patch: int) -> Tensor:
    """Share of each patch that the animal covers for certain: (N, grid * grid)."""
    rows = []
    for data in packs.jpegs(path, "mask_png", "mask_offsets"):
        trimap = Image.open(io.BytesIO(data))
        edge = min(trimap.size)
        left, top = (trimap.width - edge) // 2, (trimap.height - edge) // 2
        box = (left, top, left + edge, top + edge)
        square = trimap.resize((side, side), Image.Resampling.NEAREST, box=box)
        rows.append(np.asarray(square))
    values = torch.from_numpy(np.stack(rows))[:, None]             # (N, 1, side, side)
    return F.avg_pool2d((values == ANIMAL).float(), patch).flatten(1)


def top_patch_iou(scores: Tensor, cover: Tensor) -> Tensor:
    """IoU of the k best patches with the k patches that are mostly animal, per image.

    scores, cover: (N, P). Images without any such patch, or with nothing else, are
    left out.
    """
    animal = cover > 0.5                                           # (N, P)
    k = animal.sum(1)
    rank = scores.argsort(1, descending=True).argsort(1)
    chosen = rank < k[:, None]                                     # (N, P)
    iou = (chosen & animal).sum(1) / (chosen | animal).sum(1).clamp_min(1)
    return iou[(k > 0) & (k < cover.shape[1])]


def centre_prior(grid: int) -> Tensor:
    """Nearer to the middle is likelier: (1, grid * grid)."""
    axis = torch.arange(grid) - (grid - 1) / 2
    return -(axis[:, None].square() + axis.square()).flatten()[None]


@torch.no_grad()
def judge_attention(loaded: Loaded, data: Path, scale: int) -> Figures:
    """Mean IoU over the pets of the head-mean attention in the last block."""
    patch, side = loaded.patch_size, loaded.image_side * scale
    images, cover = packs.read_pack(data, side), trimap_patches(data, side, patch)
    maps = []
    for chunk in images.split(32):
        layers = loaded.model.get_attention(loaded.normalise(chunk.float() / 255))
        maps.append(layers[-1][:, :, 0, loaded.num_prefix :].mean(1))  # (B, P)
    attention = torch.cat(maps)
    return {
        "attention_iou": top_patch_iou(attention, cover).mean().item(),
        "centre_prior_iou": top_patch_iou(
            centre_prior(side // patch).expand_as(cover), cover
        ).mean().item(),
        "other_image_iou": top_patch_iou(attention.roll(1, 0), cover).mean().item(),
        "side": side,
        "images": len(images),
    }


def masked_psnr(truth: Tensor, guess: Tensor, mask: Tensor, patch: int) -> Tensor:
    """dB over the removed pixels, 8-bit range, per image."""
    guess = (guess.clamp(0, 1) * 255).round() / 255
    error = mae.patchify((guess - truth).square(), patch).mean(-1)  # (B, N)
    return -10 * ((error * mask).sum(1) / mask.sum(1)).log10()


@torch.no_grad()
def judge_reconstruction(loaded: Loaded, data: Path, ratio: float) -> Figures:
    """Mean masked PSNR of the prediction, beside two fillings without a network."""
    if not isinstance(loaded.model, mae.MAE):
        raise ValueError(f"{loaded.card.name} has no decoder; judge its attention")
    patch, side = loaded.patch_size, loaded.image_side
    generator = torch.Generator().manual_seed(0)
    scores: dict[str, list[Tensor]] = defaultdict(list)
    for chunk in packs.read_pack(data, side).split(64):
        truth = chunk.float() / 255
        noise = torch.rand(len(chunk), (side // patch) ** 2, generator=generator)
        shown = mae.reconstruct(loaded.model, loaded.normalise(truth), ratio, noise)
        guesses = {
            "masked_psnr": loaded.denormalise(shown.prediction),
            "mean_colour": blend_of_visible(truth, shown.mask, patch, sigma=1e3),
            "blend": blend_of_visible(truth, shown.mask, patch, sigma=1.0),
        }
        for name, guess in guesses.items():
            scores[name].append(masked_psnr(truth, guess, shown.mask, patch))
    figures = {name: torch.cat(parts).mean().item() for name, parts in scores.items()}
    return figures | {"ratio": ratio, "images": sum(map(len, scores["blend"]))}


def judge_neighbours(loaded: Loaded, references: Path, queries: Path) -> Figures:
    """Top-1 in percent of nearest neighbours and of a linear probe, beside pixels."""
    judge = Judge(references, queries, loaded.image_side, FOLDER)
    own = mae.features if isinstance(loaded.model, mae.MAE) else vit.patch_tokens
    found, control = judge.of_model(own, loaded.model), judge.of(raw_pixels)
    return {
        "knn": found["knn"], "linear": found["linear"],
        "raw_pixels_knn": control["knn"], "raw_pixels_linear": control["linear"],
        "images": len(judge.queries.labels),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demos.judge", description=__doc__)
    parser.add_argument("what", choices=["attention", "neighbours", "reconstruction"])
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--scale", type=int, default=1, help="times the training size")
    parser.add_argument("--ratio", type=float, default=0.75)
    parser.add_argument("--write", action="store_true", help="add to the card")
    args = parser.parse_args()
    wanted = 2 if args.what == "neighbours" else 1
    if len(args.data) != wanted:
        parser.error(f"{args.what} takes {wanted} pack(s) as --data")
    loaded = checkpoint(args.checkpoint)
    if args.what == "attention":
        figures = judge_attention(loaded, args.data[0], args.scale)
    elif args.what == "neighbours":
        figures = judge_neighbours(loaded, *args.data)
    else:
        figures = judge_reconstruction(loaded, args.data[0], args.ratio)
    figures = {name: round(value, 4) for name, value in figures.items()}
    print(json.dumps(figures, indent=1))  # noqa: T201
    if args.write:
        file = CHECKPOINTS / f"{args.checkpoint}.json"
        card = json.loads(file.read_text())
        card.setdefault("figures", {})[f"{args.what}_{args.data[-1].stem}"] = figures
        file.write_text(json.dumps(card, indent=1) + "\n")


if __name__ == "__main__":
    main()
