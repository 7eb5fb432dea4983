"""3-Augment: the tiles are the paper's functions, the draws its own."""

import numpy as np
import torch
from PIL import Image

from demos import runner
from reference_impls import deit3


def run(file, out, **options):
    result = runner.run("three_augment", "deit3", [file], options, out)
    return result, np.load(out / "three.npz")


def test_the_three_are_made_from_one_crop(photo, out):
    result, made = run(photo, out, sigma=1.0)
    crop = torch.from_numpy(made["crop"])
    np.testing.assert_array_equal(made["grey"], deit3.gray(crop))
    np.testing.assert_array_equal(made["solarised"], np.where(made["crop"] < 128, made["crop"], 255 - made["crop"]))
    np.testing.assert_array_equal(made["blurred"], deit3.gaussian_blur(crop, 1.0))
    assert result.numbers["inverted_share"] == np.round((made["crop"] >= 128).mean(), 3)


def test_the_draws_are_the_papers_function_in_a_row(photo, out):
    _, made = run(photo, out, seed=7, jitter=0.2)
    luck = torch.Generator().manual_seed(7)
    img = torch.from_numpy(np.array(Image.open(photo)))
    np.testing.assert_array_equal(made["crop"], deit3.random_resized_crop(img, 224, luck))
    for one in made["drawn"]:
        np.testing.assert_array_equal(one, deit3.three_augment(img, 224, luck, jitter=0.2))


def test_the_board_shows_them(photo, out):
    _, made = run(photo, out)
    board = np.asarray(Image.open(out / "three.png").convert("RGB")).astype(float)
    # Cells of 462 pixels; the second of the first row is the grey one.
    tile = board[12:474, 486:948]
    assert np.abs(tile[..., 0] - tile[..., 2]).max() < 3
    np.testing.assert_allclose(tile.mean(), made["grey"].mean(), atol=1)


def test_a_strip_works(picture, out, tmp_path):
    picture.resize((300, 8)).save(tmp_path / "strip.png")
    assert run(tmp_path / "strip.png", out)[1]["drawn"].shape == (6, 224, 224, 3)
