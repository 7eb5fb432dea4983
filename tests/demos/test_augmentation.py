"""One view step by step: the last step is the paper's own view, with the same luck."""

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.offers import papers_with
from demos.pieces import seeing
from demos.pieces.watching import watcher
from demos.shows.augmentation import chances, only, stronger
from demos.specs import DEMOS
from reference_impls import byol, simclr

PAPERS = papers_with(DEMOS["augmentation"])


def run(file, out, paper="simclr", **options):
    result = runner.run("augmentation", paper, [file], options, out)
    return result, np.load(out / "steps.npz")


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("seed", [0, 3])
def test_the_last_step_is_what_the_network_gets(photo, out, paper, seed):
    """Views of one paper start with the first distribution, so its first view is the demo's."""
    _, steps = run(photo, out, paper, seed=seed)
    own = runner.offered("augmentation", paper)[1]
    pixels = seeing.pixels_of(Image.open(photo))
    view = seeing.seen(own, pixels, watcher(seed), seeing.settings(own))[0]
    np.testing.assert_array_equal(steps["after_normalised"], view.pixels)


def test_a_step_that_was_not_drawn_changes_nothing(photo, out):
    seen = set()
    for seed in range(6):
        result, steps = run(photo, out, "byol", view="second", seed=seed)
        names = ["after_crop", "after_flip", "after_colours", "after_grey", "after_blur", "after_solarised"]
        noted = ["flip", "jitter", "greyscale", "blur", "solarize"]
        for before, after, note in zip(names, names[1:], noted, strict=False):
            changed = not np.allclose(steps[before], steps[after], atol=1e-6)
            assert changed == (note in result.numbers["drawn"]), (seed, note)
            seen.add((note, changed))
    assert {("flip", True), ("flip", False), ("jitter", True), ("solarize", False)} <= seen


def test_each_change_alone_starts_from_the_same_crop(photo, out):
    _, steps = run(photo, out, seed=1)
    grey = steps["only_grey"]
    np.testing.assert_allclose(grey[0], grey[2])
    crop = torch.from_numpy(steps["only_unchanged"])[None]
    np.testing.assert_allclose(grey, simclr.greyscale(crop)[0].clamp(0, 1), atol=1e-6)
    assert "only_solarised" not in steps


def test_strength_moves_the_same_colours_farther(photo, out):
    offsets = [run(photo, out, seed=0, strength=s)[0].numbers["offsets"] for s in (0.0, 0.5, 1.0)]
    assert len(offsets[2]) == 4
    np.testing.assert_allclose(np.array(offsets[1]) * 2, offsets[2], atol=2e-3)
    assert not np.any(offsets[0])


def test_strength_zero_leaves_colours_alone(photo, out):
    _, steps = run(photo, out, seed=0, strength=0)
    np.testing.assert_allclose(steps["after_colours"], steps["after_flip"], atol=1e-5)


def test_the_second_view_is_of_the_second_distribution(photo, out):
    assert "distribution 2 of 2" in run(photo, out, "byol", view="second")[0].artifacts[0].caption
    assert "all views are drawn alike" in run(photo, out, "simclr", view="second")[0].artifacts[0].caption


def test_only_what_is_kept_can_happen():
    how = only(byol.T_PRIME, {"grey": 1.0})
    assert (how.jitter, how.grey, how.blur, how.solarize) == (0, 1, 0, 0)
    assert "solarised" not in chances(byol.T)
    assert stronger(simclr.Augmentation(), 0.5).hue == pytest.approx(0.1)


def test_tiles_show_the_steps(photo, out):
    _, steps = run(photo, out, seed=0)
    board = np.asarray(Image.open(out / "steps.png").convert("RGB")).astype(float) / 255
    tile = board[12 : 12 + 304, 12 : 12 + 304].mean((0, 1))
    np.testing.assert_allclose(tile, steps["after_crop"].mean((1, 2)), atol=0.01)


def test_a_speck_works(picture, out, tmp_path):
    picture.resize((8, 8)).save(tmp_path / "speck.png")
    assert run(tmp_path / "speck.png", out)[1]["after_crop"].shape == (3, 224, 224)
