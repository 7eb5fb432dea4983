"""Crops demo: boxes are the papers' own, and what is counted is what they hold."""

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.drawing.colour import colour_map
from demos.pieces.cropping import Way, two_ways
from demos.shows.crops import shaded
from reference_impls import deit3, vito


def run(file, out, paper="deit3", **options):
    result = runner.run("crops", paper, [file], options, out)
    return result, np.load(out / "crops.npz")


def ramp_picture(w, h):
    """Red grows with x and green with y, from 0 to 255."""
    y, x = np.mgrid[:h, :w]
    return Image.fromarray(np.stack([255 * x / (w - 1), 255 * y / (h - 1), 0 * x], -1).astype(np.uint8))


@pytest.mark.parametrize("own", [deit3, vito], ids=["deit3", "vito"])
def test_a_crop_shows_what_its_box_says(own):
    """The colour in a crop's middle is the place of its box's middle."""
    for way in two_ways(own, ramp_picture(320, 200), 3, 4)[:2]:
        for box, crop in zip(way.boxes, way.crops, strict=True):
            middle = np.asarray(crop)[104:120, 104:120].reshape(-1, 3).mean(0) / 255
            np.testing.assert_allclose(middle[:2], [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], atol=0.01)


def test_a_simple_crop_off_the_edges_is_as_wide_as_the_picture_is_high():
    boxes = two_ways(deit3, ramp_picture(400, 200), 40, 0)[1].boxes
    inner = [(left, right) for left, _, right, _ in boxes if left > 0 and right < 1]
    assert len(inner) > 30
    np.testing.assert_allclose([right - left for left, right in inner], 0.5, atol=1e-6)


def test_the_simple_crop_keeps_the_shorter_side_and_the_resized_one_does_not(photo, out):
    result, arrays = run(photo, out, crops=60)
    usual, own = (arrays[name] for name in ("usual", "own"))
    assert ((own[:, 3] - own[:, 1]) > 0.97).all()
    assert ((usual[:, 3] - usual[:, 1]) < 0.9).mean() > 0.5
    assert result.numbers["mean_share"][1] == pytest.approx(0.75, abs=0.02)  # of a picture of 4 : 3
    assert 0.07 < result.numbers["smallest_share"][0] < 0.2
    assert result.numbers["longest_stretch"] == [pytest.approx(1.33, abs=0.1), 1]


def test_vitos_crops_are_larger(photo, out):
    result, arrays = run(photo, out, "vito", crops=60)
    shares = [(b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) for b in (arrays["usual"], arrays["own"])]
    # A box that does not fit is cut to the picture, so a little less than 0.4 can remain.
    assert shares[0].min() < 0.2 < 0.35 < shares[1].min()
    assert result.numbers["mean_share"] == [pytest.approx(s.mean(), abs=1e-3) for s in shares]


def test_coverage_counts_the_crops_that_hold_a_place():
    way = Way("", [(0, 0, 1, 1), (0, 0, 0.5, 1), (0.5, 0, 1, 0.5), (0, 0, 0.25, 0.25)], [1.0], [])
    np.testing.assert_array_equal(way.coverage(2, 2), [[0.5, 0.5], [0.5, 0.25]])
    np.testing.assert_allclose(way.shares, [1, 0.5, 0.25, 0.0625])
    # The pairs are first with second, third with fourth: half and nothing in common.
    assert way.strangers() == 0.5


def test_the_map_has_one_scale_for_both_ways():
    grey = Image.new("RGB", (40, 20), (128, 128, 128))
    levels = [np.asarray(shaded(grey, np.full((5, 10), share)))[10, 20] for share in (0.0, 0.5, 1.0)]
    for level, share in zip(levels, (0, 128, 255), strict=True):
        np.testing.assert_allclose(level, 0.35 * 128 + 0.65 * colour_map()[share].astype(float), atol=2)


def test_the_picture_shows_both_ways_and_the_table_their_numbers(photo, out):
    result, arrays = run(photo, out, crops=20)
    assert [a.name for a in result.artifacts][:4] == ["frames", "coverage", "examples", "compared"]
    board = np.asarray(Image.open(out / "coverage.png").convert("RGB")).astype(int)
    # Rows through the middle of both maps: the simple crop's is brighter, as seen by more crops.
    assert board[180, 490:940].mean() > board[180, 20:470].mean()
    assert arrays["own_coverage"].mean() > arrays["usual_coverage"].mean()


def test_crops_are_repeated_by_the_seed(photo, out):
    first, again, other = (run(photo, out, crops=10, seed=s)[1]["usual"] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("paper", ["deit3", "vito"])
@pytest.mark.parametrize("size", [(8, 8), (400, 9), (9, 400)])
def test_specks_and_strips_work(picture, out, tmp_path, paper, size):
    picture.resize(size).save(tmp_path / "awkward.png")
    run(tmp_path / "awkward.png", out, paper, crops=10)
    assert np.isfinite(np.load(out / "crops.npz")["own"]).all()
    assert torch.get_num_threads() == 1
