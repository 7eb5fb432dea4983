"""Cubic puzzles: cutting, shuffling and jittering cells, beside loops over clips."""

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.side_by_side import Step, backward
from reference_impls import cubic_puzzles

ORDERS = list(itertools.permutations(range(4)))


def puzzle_by_loops(clip: Tensor, perm_ids: Tensor, mode: str) -> Tensor:
    puzzles = []
    for one, k in zip(clip, perm_ids.tolist(), strict=True):
        if mode == "temporal":
            cells = one.chunk(4, dim=1)
        else:
            cells = [c for row in one.chunk(2, dim=2) for c in row.chunk(2, dim=3)]
        puzzles.append(torch.stack([cells[i] for i in ORDERS[k]]))
    return torch.stack(puzzles)


def jitter_by_loops(
    cells: Tensor, size: tuple[int, ...], generator: torch.Generator
) -> Tensor:
    B, N = cells.shape[:2]
    starts = [
        torch.randint(side - s + 1, (B, N), generator=generator).tolist()
        for s, side in zip(size, cells.shape[3:], strict=True)
    ]
    t, h, w = size
    return torch.stack([
        torch.stack([
            cells[b, n, :, i : i + t, y : y + h, x : x + w]
            for n in range(N)
            for i, y, x in [tuple(start[b][n] for start in starts)]
        ])
        for b in range(B)
    ])


def solve_piece_by_piece(
    model: cubic_puzzles.CubicPuzzles, pieces: Tensor
) -> tuple[Tensor, Tensor]:
    """Four siamese branches, as the paper draws them."""
    each = [model.encoder(piece).mean(dim=(2, 3, 4)) for piece in pieces.unbind(1)]
    together = model.head(torch.cat(each, dim=1))
    return model.order(together), model.rotation(together)


def steps() -> Iterator[Step]:
    g = torch.Generator().manual_seed(0)
    clip = torch.rand(16, 3, 16, 32, 32, generator=g)
    ids = torch.randint(24, (16,), generator=g)
    for mode in ("spatial", "temporal"):
        yield Step(
            f"cubic_puzzle {mode} 16 clips of 16x32x32", "plain transcription",
            ours=lambda mode=mode: cubic_puzzles.cubic_puzzle(clip, ids, mode),
            theirs=lambda mode=mode: puzzle_by_loops(clip, ids, mode),
        )
    cells, size = torch.rand(16, 4, 3, 4, 16, 16, generator=g), (3, 11, 11)
    yield Step(
        "jitter 16 x 4 cells of 4x16x16", "plain transcription",
        ours=lambda: cubic_puzzles.jitter(
            cells, size, torch.Generator().manual_seed(1)
        ),
        theirs=lambda: jitter_by_loops(cells, size, torch.Generator().manual_seed(1)),
    )
    torch.manual_seed(0)
    model = cubic_puzzles.build().eval()  # batch norm over one piece or four differs
    batch = cubic_puzzles.clip_views(clip[:4], g)
    weights = list(model.parameters())
    yield Step(
        "CubicPuzzles 4 clips forward + backward", "plain transcription",
        ours=lambda: backward(
            cubic_puzzles.puzzle_loss(*model(batch.pieces), *batch[1:]), *weights
        ),
        theirs=lambda: backward(
            cubic_puzzles.puzzle_loss(
                *solve_piece_by_piece(model, batch.pieces), *batch[1:]
            ),
            *weights,
        ),
    )
