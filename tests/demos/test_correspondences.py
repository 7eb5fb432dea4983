"""Matching points: the module's own pairs, drawn where they are, from little that is kept."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.intake import images
from demos.shows import correspondences as show
from reference_impls import deep_vit_features as paper


@pytest.fixture
def other(picture, tmp_path):
    picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).crop((0, 0, 100, 90)).save(tmp_path / "other.png")
    return tmp_path / "other.png"


def run(pictures, out, **options):
    options = {"stride": "patch", "threshold": 0.2, **options}
    return runner.run("correspondences", "deep_vit_features", pictures, options, out)


def module_pairs(paths, layer, bins, threshold, pairs, seed):
    """The paper's functions on all patches, nothing left out."""
    loaded = runner.warm("deep_vit_features", "dense_descriptors", runner.fingerprint.weights_hash("deep_vit_features"))
    keys, salient, grids = [], [], []
    for path in paths:
        fitted = images.fit(images.read(path), 128, 8)
        x = loaded.normalise(torch.from_numpy(images.to_array(fitted.image))[None])
        keys.append(paper.dense_descriptors(loaded.model, x, layer, bin=bins)[0, 0])
        salient.append(paper.saliency(paper.attention_of(loaded.model, x, 5), range(6))[0])
        grids.append(fitted.grid(8))
    generator = torch.Generator().manual_seed(seed)
    found = paper.correspondences(*keys, *salient, generator, pairs, threshold)
    return {
        tuple(torch.cat([paper.patch_centers(index, grid, 8, 8) for index, grid in zip(pair, grids, strict=True)]).tolist())
        for pair in zip(*found, strict=True)
    }


@pytest.mark.parametrize(("layer", "bins", "threshold", "pairs"), [(3, True, 0.2, 10), (5, False, 0.4, 4)])
def test_the_pairs_are_those_of_the_whole_pictures(photo, other, out, layer, bins, threshold, pairs):
    result = run([photo, other], out, layer=layer, log_bin=bins, threshold=threshold, pairs=pairs, seed=3)
    arrays = np.load(out / "pairs.npz")
    ours = {
        (*arrays["first"][i], *arrays["second"][i]) for i in arrays["chosen"]
    }
    assert ours == module_pairs([photo, other], layer, bins, threshold, pairs, seed=3)
    assert result.numbers["pairs"] == len(ours) > 1
    assert result.numbers["buddies"] == len(arrays["first"])


def test_a_picture_matches_itself_patch_by_patch(photo, out):
    result = run([photo, photo], out, log_bin=False)
    arrays = np.load(out / "pairs.npz")
    assert result.numbers["buddies"] == 252
    np.testing.assert_array_equal(arrays["first"], arrays["second"])
    np.testing.assert_allclose(arrays["cosine"], 1, atol=1e-4)


def test_each_pair_is_marked_in_one_colour_in_both_pictures_and_listed(photo, out):
    run([photo, photo], out, pairs=6, log_bin=False)
    arrays = np.load(out / "pairs.npz")
    drawn = np.asarray(Image.open(out / "pairs.png").convert("RGB"))
    rows = json.loads((out / "pairs.json").read_text())["rows"]
    scale, height = show.CELL / 144, round(112 * show.CELL / 144)
    for row, i in zip(rows, arrays["chosen"], strict=True):
        y, x = arrays["first"][i]
        assert row[1] == row[2] == f"{x}, {y}"
        ring = (round(y * scale), round(x * scale) - show.BALL + 4)
        top = drawn[ring].astype(int)
        bottom = drawn[ring[0] + height + 12, ring[1]].astype(int)
        assert np.abs(top - bottom).max() < 12
        assert top.max() - top.min() > 40  # a hue, not the grey of the picture


def test_late_options_start_from_the_stored_buddies(photo, other, out, monkeypatch):
    count, find = [], show.find
    monkeypatch.setattr(show, "find", lambda *args: count.append(1) or find(*args))
    for late in ({}, {"pairs": 3}, {"threshold": 0.6}, {"seed": 9}):
        run([photo, other], out, **late)
    assert len(count) == 1


def test_nothing_salient_enough_is_said_with_the_remedy(photo, other, out):
    result = run([photo, other], out, threshold=1)
    assert result.numbers["pairs"] == 0
    assert "lower the saliency" in result.artifacts[0].caption


@pytest.mark.parametrize("size", [(8, 8), (500, 20), (20, 500)])
def test_specks_and_strips_are_matched_too(picture, photo, out, tmp_path, size):
    picture.resize(size).save(tmp_path / "odd.png")
    for pair in ([tmp_path / "odd.png", photo], [photo, tmp_path / "odd.png"]):
        assert run(pair, out).numbers["buddies"] > 0


def test_one_picture_is_too_few(photo, out):
    with pytest.raises(ValueError, match="takes two pictures"):
        run([photo], out)


@pytest.mark.parametrize("rows", [4, 40])
def test_turning_keeps_lengths_and_angles_and_takes_fewer_numbers(rows):
    x = torch.randn(rows, 20, generator=torch.Generator().manual_seed(0))
    turned = show.turned(x)
    assert turned.shape == (rows, min(rows, 20))
    torch.testing.assert_close(turned @ turned.mT, x @ x.mT, atol=1e-4, rtol=1e-4)
