"""Jigsaw: choosing permutations and cutting tiles, beside plain loops."""

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from benchmarks.side_by_side import Step, backward
from reference_impls import jigsaw


def select_by_cdist(n: int, k: int) -> np.ndarray:
    """All distances to all that was chosen, anew for every choice."""
    left = np.array(list(itertools.permutations(range(n))))
    chosen, j = np.empty((0, n), dtype=int), 0
    for _ in range(k):
        chosen, left = np.vstack([chosen, left[j]]), np.delete(left, j, axis=0)
        j = cdist(chosen, left, "hamming").mean(axis=0).argmax()
    return chosen


def orders_by_loops(perm_ids: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor]:
    orders = list(itertools.permutations(range(n)))
    seen: dict[tuple[int, ...], int] = {}
    for order in orders:
        seen.setdefault(min(order, order[::-1]), len(seen))
    pair = [seen[min(orders[i], orders[i][::-1])] for i in perm_ids.tolist()]
    return perm_ids, torch.tensor(pair), torch.tensor([int(p == 0) for p in pair])


def tiles_by_loops(
    images: Tensor, config: jigsaw.Config, generator: torch.Generator
) -> Tensor:
    B, C, H, W = images.shape
    grid, tile, most = config.grid, config.tile, config.channel_shift
    places = []
    for side in (H // grid, W // grid):
        start = torch.randint(
            side - tile + 1, (B, grid, grid, 1), generator=generator
        )
        shift = torch.randint(2 * most + 1, (B, grid, grid, C), generator=generator)
        places.append((start + shift - most).clamp(0, side - tile).tolist())
    rows = []
    for b in range(B):
        tiles = []
        for i, j in itertools.product(range(grid), repeat=2):
            channels = []
            for c in range(C):
                y = H // grid * i + places[0][b][i][j][c]
                x = W // grid * j + places[1][b][i][j][c]
                channels.append(images[b, c, y : y + tile, x : x + tile])
            tiles.append(torch.stack(channels))
        rows.append(torch.stack(tiles))
    return torch.stack(rows)


def solve_tile_by_tile(model: jigsaw.ContextFreeNetwork, tiles: Tensor) -> Tensor:
    """Nine siamese branches, as the paper draws them."""
    each = [model.fc6(model.encoder(tile)) for tile in tiles.unbind(1)]
    return model.classifier(model.fc7(torch.cat(each, dim=1)))


def steps() -> Iterator[Step]:
    select = jigsaw.select_permutations.__wrapped__  # nothing kept from before
    yield Step(
        "select_permutations 7 tiles, 100 of 5040", "plain transcription (scipy)",
        ours=lambda: select(7, 100),
        theirs=lambda: select_by_cdist(7, 100),
    )
    yield Step(
        "select_permutations 9 tiles, 10 of 362880", "plain transcription (scipy)",
        ours=lambda: select(9, 10),
        theirs=lambda: select_by_cdist(9, 10),
    )
    g = torch.Generator().manual_seed(0)
    ids = torch.randint(120, (256,), generator=g)
    yield Step(
        "frame_order_targets 256 clips of 5 frames", "plain transcription",
        ours=lambda: jigsaw.frame_order_targets(ids, 5),
        theirs=lambda: orders_by_loops(ids, 5),
    )
    images = torch.rand(32, 3, 64, 64, generator=g)
    yield Step(
        "cut_tiles 32 images of 64x64", "plain transcription",
        ours=lambda: jigsaw.cut_tiles(
            images, jigsaw.TINY, torch.Generator().manual_seed(1)
        ),
        theirs=lambda: tiles_by_loops(
            images, jigsaw.TINY, torch.Generator().manual_seed(1)
        ),
    )
    torch.manual_seed(0)
    model = jigsaw.build()
    tiles, targets = jigsaw.views(images[:8], g)
    weights = [model.classifier.weight, model.fc6[0].weight]
    yield Step(
        "ContextFreeNetwork 8 images forward + backward", "plain transcription",
        ours=lambda: backward(jigsaw.jigsaw_loss(model(tiles), targets), *weights),
        theirs=lambda: backward(
            jigsaw.jigsaw_loss(solve_tile_by_tile(model, tiles), targets), *weights
        ),
    )
