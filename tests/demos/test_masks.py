"""Masks demo: three ways to hide the same number of patches."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.pieces import hiding
from demos.shows import masks
from reference_impls.mae import random_masking


def run(photo, out, **options):
    result = runner.run("masks", "mae", [photo], options, out)
    return result, np.load(out / "masks.npz")


@pytest.mark.parametrize(("ratio", "hidden"), [(0.1, 7), (0.5, 32), (0.75, 48), (0.95, 61)])
def test_every_kind_hides_the_same_number(photo, out, ratio, hidden):
    result, arrays = run(photo, out, ratio=ratio)
    assert result.numbers["hidden_patches"] == hidden
    for kind in ("random", "block", "grid"):
        assert (arrays[f"{kind}_mask"].sum(axis=(1, 2)) == hidden).all()


def test_a_grid_of_three_quarters_leaves_one_of_every_four_neighbours(photo, out):
    _, arrays = run(photo, out)
    for mask in arrays["grid_mask"]:
        squares = (~mask).reshape(4, 2, 4, 2).sum(axis=(1, 3))
        assert (squares == 1).all()
    assert len({mask.tobytes() for mask in arrays["grid_mask"]}) == 4


def neighbours_alike(mask: np.ndarray) -> float:
    """Share of neighbouring pairs of patches that are both hidden or both visible."""
    return float(np.mean([(mask[1:] == mask[:-1]).mean(), (mask[:, 1:] == mask[:, :-1]).mean()]))


def test_blocks_hang_together_and_grids_do_not(photo, out):
    _, arrays = run(photo, out)
    alike = {kind: np.mean([neighbours_alike(m) for m in arrays[f"{kind}_mask"]]) for kind in ("random", "block", "grid")}
    assert alike["block"] > alike["random"] + 0.1
    assert alike["random"] > alike["grid"]


def test_the_papers_masking_hides_what_a_block_covers():
    noise = masks.kinds((8, 8), 0.5, seed=3)["block"]
    covered = noise >= 1                                            # a block adds one to its patches
    _, mask, _ = random_masking(torch.zeros(len(noise), 64, 1), 0.5, noise)
    assert (mask[covered] == 1).all()
    assert covered.sum() > 0.9 * mask.sum()


def test_the_table_holds_the_mean_over_the_masks(photo, out):
    result, arrays = run(photo, out)
    table = json.loads((out / "scores.json").read_text())
    original = arrays["grid_pasted"][0].copy()                      # between them, four grids leave every patch
    for pasted, mask in zip(arrays["grid_pasted"], arrays["grid_mask"], strict=True):
        visible = ~hiding.on_pixels(mask, 64)
        original[:, visible] = pasted[:, visible]
    for row in table["rows"]:
        painted = hiding.Painted(original, arrays[f"{row[0]}_pasted"], arrays[f"{row[0]}_pasted"], arrays[f"{row[0]}_mask"])
        assert float(row[1]) == pytest.approx(painted.psnr()[hiding.MODEL], abs=0.02)
        assert result.numbers[f"psnr_{row[0]}_db"] == pytest.approx(float(row[1]), abs=0.01)


def test_how_many_gaps_touch_something_visible_is_counted(photo, out):
    hidden = np.ones((4, 4), bool)
    hidden[0, 0] = False
    assert masks.touching(hidden) == 3 / 15
    result = runner.run("masks", "mae", [photo], {"ratio": 0.75}, out)
    assert "100 % with grid" in result.artifacts[0].caption
    result = runner.run("masks", "mae", [photo], {"ratio": 0.95}, out)
    assert "100 % with grid" not in result.artifacts[0].caption


def test_the_picture_shows_the_first_mask_of_each_kind(photo, out):
    _, arrays = run(photo, out)
    drawn = np.asarray(Image.open(out / "masks.png")).astype(int)
    grey = (np.array(hiding.HIDDEN) * 255).round()
    for column, kind in enumerate(("random", "block", "grid")):
        tile = drawn[12 : 12 + 304, 12 + column * 316 :][:, :304]    # three columns of a board
        shown = (np.abs(tile[19::38, 19::38] - grey) <= 1).all(-1)
        np.testing.assert_array_equal(shown, arrays[f"{kind}_mask"][0])


def test_a_speck_of_a_picture_runs(out, tmp_path):
    Image.new("RGBA", (8, 8), (200, 30, 30, 0)).save(tmp_path / "speck.png")
    result, _ = run(tmp_path / "speck.png", out, seed=5)
    assert np.isfinite(result.numbers["psnr_block_db"])
