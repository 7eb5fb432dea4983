"""Jigsaw demo: tiles are where the frames are, and the order is the one that shuffled them."""

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.drawing.colour import colour_map
from demos.pieces import seeing
from demos.shows import jigsaw_tiles as show
from reference_impls import jigsaw


def run(file, out, paper="jigsaw", **options):
    result = runner.run("jigsaw_tiles", paper, [file], options, out)
    return result, np.load(out / "puzzle.npz")


@pytest.fixture
def coordinates(tmp_path):
    """Column in red, row in green."""
    y, x = np.mgrid[:224, :224]
    Image.fromarray(np.stack([x, y, 0 * x], -1).astype(np.uint8)).save(tmp_path / "coordinates.png")
    return tmp_path / "coordinates.png"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_shuffled_tile_comes_from_its_window(coordinates, out, monkeypatch, seed):
    """With neither grey nor normalising a tile of coordinates says where it was."""
    monkeypatch.setattr(jigsaw, "normalize_tiles", lambda tiles: tiles)
    monkeypatch.setattr(jigsaw, "greyscale", lambda images: images)
    _, puzzle = run(coordinates, out, seed=seed)
    for tile, place in zip(puzzle["tiles"], puzzle["order"], strict=True):
        left, top, right, bottom = 224 * puzzle["windows"][place]
        assert (right - left, bottom - top) == pytest.approx((64, 64))
        # Channels move by up to two pixels, either way.
        assert abs(255 * tile[0, 0, 0] - left) <= 4.5
        assert abs(255 * tile[1, 0, 0] - top) <= 4.5


@pytest.mark.parametrize("paper", ["jigsaw", "pirl"])
def test_windows_lie_each_in_its_own_ninth(photo, out, paper):
    _, puzzle = run(photo, out, paper)
    assert sorted(puzzle["order"]) == list(range(9))
    x, y = puzzle["windows"][:, 0], puzzle["windows"][:, 1]
    if paper == "pirl" and x[0] > x[2]:
        x = 1 - puzzle["windows"][:, 2]  # the view was mirrored
    assert (np.diff(x.reshape(3, 3), axis=1) > 0).all()
    assert (np.diff(y.reshape(3, 3), axis=0) > 0).all()


def test_the_order_is_one_of_the_set(photo, out):
    result, puzzle = run(photo, out, permutations=8)
    orders = np.load(out / "orders.npz")
    assert puzzle["order"].tolist() in orders["chosen"].tolist()
    assert result.numbers["order"] == (puzzle["order"] + 1).tolist()
    assert orders["chosen"].shape == (8, 9)


def test_distances_are_the_modules_and_chosen_orders_lie_farther_apart(photo, out):
    result, _ = run(photo, out)
    orders = np.load(out / "orders.npz")
    chosen = orders["chosen"]
    np.testing.assert_allclose(orders["chosen_distances"], (chosen[:, None] != chosen).mean(-1))
    chosen_mean, random_mean = result.numbers["mean_distance"]
    assert chosen_mean > random_mean > 0.8
    assert result.numbers["least_distance"][0] > 2 / 9


def test_the_matrix_is_dark_on_its_diagonal_alone():
    drawn = np.asarray(show.matrix(np.array([[0, 1], [1, 0.0]])))
    np.testing.assert_array_equal(drawn[0, 0], colour_map()[0])
    np.testing.assert_array_equal(drawn[0, -1], colour_map()[255])


def test_tiles_in_place_are_the_shuffled_ones_put_back(photo, out):
    _, puzzle = run(photo, out, "pirl")
    board = np.asarray(Image.open(out / "puzzle.png").convert("RGB")).astype(float) / 255
    tiles = torch.from_numpy(puzzle["tiles"])
    pictures = [np.asarray(seeing.shape_up(tile, False))[18:37, 18:37].mean((0, 1)) / 255 for tile in tiles]
    # Nine tiles in a cell of 462 pixels; frames and numbers stand at the edges.
    step = 462 * (56 + 10) / (3 * 66 - 10)
    for k, place in enumerate(puzzle["order"]):
        top, left = 12 + int(place // 3 * step) + 45, 486 + int(place % 3 * step) + 45
        middle = board[top : top + 45, left : left + 45].mean((0, 1))
        np.testing.assert_allclose(middle, pictures[k], atol=0.03)


@pytest.mark.parametrize("paper", ["jigsaw", "pirl"])
@pytest.mark.parametrize("size", [(8, 8), (9, 300)])
def test_specks_and_strips_work(picture, out, tmp_path, paper, size):
    picture.resize(size).save(tmp_path / "awkward.png")
    assert len(run(tmp_path / "awkward.png", out, paper)[1]["windows"]) == 9
