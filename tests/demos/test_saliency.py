"""Saliency: the module's own map of the chosen heads, and what is above the threshold."""

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.intake import images
from demos.shows import saliency
from demos.specs import OptionError
from reference_impls import deep_vit_features as paper


def run(photo, out, **options):
    return runner.run("saliency", "deep_vit_features", [photo], {"stride": "patch", **options}, out)


@pytest.mark.parametrize(("heads", "numbers"), [("all", range(6)), ("paper", (0, 2, 4, 5)), ("3", [3])])
def test_the_map_is_the_modules_for_the_chosen_heads(photo, out, heads, numbers):
    result = run(photo, out, heads=heads, layer=3)
    loaded = runner.warm("deep_vit_features", "dense_descriptors", runner.fingerprint.weights_hash("deep_vit_features"))
    fitted = images.fit(images.read(photo), 128, 8)
    x = loaded.normalise(torch.from_numpy(images.to_array(fitted.image))[None])
    expected = paper.saliency(paper.attention_of(loaded.model, x, 3), numbers).view(14, 18)
    arrays = np.load(out / "saliency.npz")
    np.testing.assert_allclose(arrays["saliency"], expected, atol=1e-5)
    assert (arrays["saliency"].min(), arrays["saliency"].max()) == (0, 1)
    assert result.numbers["heads"] == list(numbers)


def test_foreground_is_what_lies_above_the_threshold_and_is_lit(photo, out):
    result = run(photo, out, threshold=0.5)
    arrays = np.load(out / "saliency.npz")
    np.testing.assert_array_equal(arrays["foreground"], arrays["saliency"] > 0.5)
    assert result.numbers["foreground"] == arrays["foreground"].sum()
    sheet = np.asarray(Image.open(out / "saliency.png").convert("RGB")).astype(int)
    width, height = 2 * saliency.CELL, 2 * saliency.CELL * 112 // 144
    top = 12 + height + 18 + 12 + 6  # the second row's
    tile = sheet[top : top + height, 12 : 12 + width]
    middles = [((np.arange(n) + 0.5) * 40).astype(int) for n in (14, 18)]
    lit = tile[np.ix_(*middles)].max(-1) > 0.3 * 150  # dimmed to less than a quarter
    shown = np.ptp(tile[np.ix_(*middles)], axis=-1) > 0
    np.testing.assert_array_equal(shown, arrays["foreground"])
    assert lit[arrays["foreground"]].all()


def test_late_options_start_from_the_stored_reading(photo, out, monkeypatch):
    count, look = [], saliency.look
    monkeypatch.setattr(saliency, "look", lambda *args: count.append(1) or look(*args))
    for late in ({}, {"threshold": 0.4}, {"heads": "2"}, {"opacity": 0.1}):
        run(photo, out, **late)
    assert len(count) == 1


def test_a_head_that_is_not_there_is_refused(photo, out, monkeypatch):
    monkeypatch.setattr(saliency, "look", lambda *args: np.random.default_rng(0).random((1, 3, 1, 253)))
    with pytest.raises(OptionError, match="heads 0 to 2"):
        run(photo, out, heads="paper")


def test_a_panorama_works(picture, out, tmp_path):
    picture.resize((500, 20)).save(tmp_path / "wide.png")
    result = run(tmp_path / "wide.png", out, stride="half")
    assert np.load(out / "saliency.npz")["heads"].shape[1:] == (5, 149)
    assert [a.name for a in result.artifacts] == ["saliency", "heads", "saliency", "params"]
