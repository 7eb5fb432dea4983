"""Ratios demo: what is hidden grows, and how well it is painted is measured on it alone."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.offers import papers_with
from demos.pieces import hiding
from demos.shows import ratios
from demos.specs import DEMOS


def run(photo, out, paper="mae", **options):
    result = runner.run("ratios", paper, [photo], options, out)
    return result, np.load(out / "ratios.npz")


def test_each_share_hides_as_many_patches_and_all_that_smaller_ones_hide(photo, out):
    _, arrays = run(photo, out)
    masks = arrays["mask"]
    assert [int(mask.sum()) for mask in masks] == [16, 32, 48, 58]
    for fewer, more in pairwise(masks):
        assert more[fewer].all()


def test_the_curve_is_the_mean_psnr_over_hidden_pixels(photo, out):
    result, arrays = run(photo, out)
    assert [percent for percent, _ in arrays["the_model"]] == [10, 25, 40, 50, 60, 75, 90]
    assert result.numbers["psnr_model_75_db"] == pytest.approx(arrays["the_model"][5, 1], abs=0.01)
    assert result.numbers["psnr_blend_75_db"] == pytest.approx(arrays["blend_of_visible_patches"][5, 1], abs=0.01)
    assert f"{result.numbers['psnr_model_90_db']:.1f} dB at 90 %" in result.artifacts[1].alt


def test_the_blend_of_a_single_patch_is_its_colour_however_far_away():
    mask = torch.ones(1, 196)
    mask[0, 0] = 0
    pixels = torch.zeros(1, 3, 28, 28)
    pixels[..., :2, :2] = 0.75
    blend = hiding.blend_of_visible(pixels, mask, 2, sigma=1.0)
    torch.testing.assert_close(blend, torch.full_like(pixels, 0.75))


def test_a_mean_over_masks_is_the_mean_of_each_alone():
    torch.manual_seed(0)
    original, pasted = torch.rand(3, 8, 8).numpy(), torch.rand(2, 3, 8, 8).numpy()
    hidden = torch.rand(2, 4, 4).argsort(-1).numpy() > 1
    painted = hiding.Painted(original, pasted, pasted, hidden)
    for name, score in painted.psnr().items():
        assert score == pytest.approx(np.mean([painted.psnr_of(i)[name] for i in (0, 1)]))
    inside = hiding.on_pixels(hidden[1], 8)
    error = np.square(pasted[1][:, inside] - original[:, inside]).mean()
    assert painted.psnr_of(1)[hiding.MODEL] == pytest.approx(-10 * np.log10(error), abs=0.01)
    visible = original[:, ~inside].mean(1, keepdims=True)
    flat = np.square(visible - original[:, inside]).mean()
    assert painted.psnr_of(1)[hiding.FLAT] == pytest.approx(-10 * np.log10(flat), abs=0.01)


def test_the_picture_shows_hidden_patches_grey_and_painted_ones_below(photo, out):
    _, arrays = run(photo, out)
    drawn = np.asarray(Image.open(out / "ratios.png")).astype(int)
    grey = (np.array(hiding.HIDDEN) * 255).round()
    row, column = np.argwhere(arrays["mask"][0])[0]
    cell = 225                                                      # pixels a side: four columns of a board
    y, x = (int(12 + cell * (8 * n + 4.5) / 64) for n in (row, column))
    assert (np.abs(drawn[y, x] - grey) <= 1).all()
    below = drawn[y + cell + 61, x]                                 # a label lies between
    painted = arrays["pasted"][0, :, 8 * row + 4, 8 * column + 4].clip(0, 1) * 255
    assert np.abs(below - painted).max() < 25


@pytest.mark.parametrize("paper", papers_with(DEMOS["ratios"]))
def test_a_thin_strip_runs_on_every_paper_that_offers_it(paper, out, tmp_path):
    Image.new("L", (400, 9), 90).save(tmp_path / "strip.png")
    result, _ = run(tmp_path / "strip.png", out, paper=paper)
    assert np.isfinite(result.numbers["psnr_model_90_db"])
    assert [a.name for a in result.artifacts] == ["ratios", "curve", "ratios", "params"]


def test_a_share_is_said_in_per_cent():
    assert ratios.share(0.25) == "25 %"
