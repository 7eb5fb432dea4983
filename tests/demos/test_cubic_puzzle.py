"""Cubic puzzle demo: the pieces are the clip's, in the order that is told."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from demos import runner
from demos.intake import frames
from demos.pieces import clips
from tests.demos.filmed import film


def run(paths, out, **options):
    return runner.run("cubic_puzzle", "cubic_puzzles", paths, options, out)


@pytest.mark.parametrize("cut", ["spatial", "temporal"])
def test_put_in_the_order_that_is_told_the_pieces_are_the_clip_again(tmp_path, out, cut):
    path = film(tmp_path)
    result = run([path], out, cut=cut, jitter=False, grey=False, seed=3)
    pieces = np.load(out / "pieces.npz")["pieces"]               # (4, 3, t, h, w)
    whole = clips.prepared(frames.read(path), 128, 2, 16).pixels.numpy()[:, :16]
    ordered = dict(zip(result.numbers["order"], pieces, strict=True))
    cells = [ordered[n] for n in (1, 2, 3, 4)]
    if cut == "spatial":
        joined = np.concatenate([np.concatenate(cells[i : i + 2], 3) for i in (0, 2)], 2)
        found = [np.allclose(joined, whole[:, t : t + 4]) for t in (0, 4, 8, 12)]
    else:
        joined = np.concatenate(cells, 1)
        h, w = joined.shape[2:]
        found = [
            np.allclose(joined, whole[:, :, y : y + h, x : x + w]) for y in (0, h) for x in (0, w)
        ]
    assert sum(found) == 1


def test_against_cheating_colour_goes_and_pieces_shrink(tmp_path, out):
    path = film(tmp_path)
    run([path], out, jitter=False, grey=False)
    plain = np.load(out / "pieces.npz")["pieces"]
    run([path], out)
    guarded = np.load(out / "pieces.npz")["pieces"]
    assert np.ptp(plain, axis=1).max() > 0.1
    assert np.ptp(guarded, axis=1).max() == 0
    assert [round(5 / 7 * side) for side in plain.shape[2:]] == list(guarded.shape[2:])


def test_the_answer_is_in_the_caption_and_guessing_costs_log_24(tmp_path, out):
    result = run([film(tmp_path)], out, seed=5)
    order, caption = result.numbers["order"], result.artifacts[0].caption
    names = ["top left", "top right", "bottom left", "bottom right"]
    assert f"The answer: {', '.join(names[n - 1] for n in order)}." in caption
    assert result.numbers["loss_of_guessing"] == pytest.approx(np.log(24), abs=1e-4)


def test_cells_that_were_used_are_framed_in_orange(tmp_path, out):
    run([film(tmp_path)], out)
    with Image.open(out / "cells.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB"), dtype=int)
    orange = (abs(pixels - [247, 161, 62]).sum(-1) < 10)
    h, w = (n // 2 for n in orange.shape)
    counts = [orange[y : y + h, x : x + w].sum() for y in (0, h) for x in (0, w)]
    assert sorted(n > 500 for n in counts) == [False, False, False, True]


def test_a_tiny_grey_picture_is_a_puzzle_too(tmp_path, out):
    Image.new("L", (8, 9), 90).save(tmp_path / "a.png")
    assert run([tmp_path / "a.png"], out).numbers["panned"] == "yes"
