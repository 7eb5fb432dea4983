"""Pointer demo: what is copied, from where, and what it is compared with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.pieces import pointing
from reference_impls import colorization
from tests.demos.filmed import film

OPTIONS = {"steps": 10}


def run(paths, out, cache, **options):
    return runner.run("pointer", "colorization", paths, OPTIONS | options, out, cache=cache)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One training for all tests of the same clip."""
    return tmp_path_factory.mktemp("stages")


def test_colours_follow_and_the_errors_say_how_well(tmp_path, out, cache):
    numbers = run([film(tmp_path)], out, cache).numbers
    assert numbers["steps"] == 10
    assert numbers["loss_last"] < numbers["loss_first"]
    assert numbers["error_patches"] < 0.6 * numbers["error_grey"]


def test_copied_colours_are_mixed_from_those_of_the_first_frame(tmp_path, out, cache):
    run([film(tmp_path)], out, cache)
    kept = np.load(out / "carried.npz")
    first = kept["trained"][0]
    for name in ("trained", "patches"):
        assert np.array_equal(kept[name][0], first)
        assert (kept[name].min((0, 1)) >= first.min(0) - 1e-3).all()
        assert (kept[name].max((0, 1)) <= first.max(0) + 1e-3).all()
    assert np.linalg.norm(first - kept["truth"][0], axis=-1).mean() < 6  # clusters


def test_another_mark_is_answered_without_training_again(tmp_path, out, cache):
    path, losses, marks = film(tmp_path), [], []
    for x in (0.2, 0.8):
        run([path], out, cache, x=x)
        losses.append(np.load(out / "carried.npz")["loss"])
        marks.append(np.load(out / "carried.npz")["mark"])
    assert np.array_equal(*losses)
    assert set(np.unique(marks[0][0])) == {0, 1}
    assert not np.array_equal(marks[0][0], marks[1][0])


def test_patches_that_are_alike_point_at_each_other():
    light = torch.rand(1, 1, 1, 48, 64, generator=torch.Generator().manual_seed(0))
    both = torch.cat([light, light.roll(8, dims=-1)], dim=2)     # two places to the right
    features = pointing.by_patches(both, (12, 16))
    attention, _ = colorization.pointer_copy(
        features[:, 0], features[:, 1], torch.eye(192)[None], 0.5
    )
    best = attention[0].argmax(-1).view(12, 16)
    there = (torch.arange(192).view(12, 16) - 2)[2:-2, 5:-3]
    assert (best[2:-2, 5:-3] == there).float().mean() > 0.95


def test_the_processs_own_random_numbers_stay_as_they_were(tmp_path, out):
    before = torch.get_rng_state()
    run([film(tmp_path)], out, tmp_path / "fresh", steps=10, seed=5)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_mark_is_drawn_where_it_was_set(tmp_path, out, cache):
    run([film(tmp_path)], out, cache, x=0.25, y=0.5, size=0.3)
    with Image.open(out / "mark.png") as first:
        pixels = np.asarray(first.convert("RGB"), dtype=int)
    down, across = np.nonzero(np.ptp(pixels, axis=-1) > 25)
    assert 0.2 < across.mean() / 640 < 0.3
    assert 0.45 < down.mean() / pixels.shape[0] < 0.55


@pytest.mark.parametrize("size", [(8, 8), (600, 20)])
def test_awkward_pictures_are_panned(tmp_path, out, cache, size):
    Image.new("L", size, 90).save(tmp_path / "a.png")
    assert run([tmp_path / "a.png"], out, cache).numbers["panned"] == "yes"
