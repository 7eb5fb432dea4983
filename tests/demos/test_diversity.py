"""Diversity of channels: the module's distance, and what GRN does to loud and quiet."""

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.intake import images
from demos.shows import diversity
from demos.specs import OptionError
from reference_impls import convnextv2 as paper


def run(photo, out, **options):
    result = runner.run("diversity", "convnextv2", [photo], options, out)
    return result, dict(np.load(out / "diversity.npz"))


def network():
    return runner.warm("convnextv2", "wide_channels", runner.fingerprint.weights_hash("convnextv2"))


def reading(photo, loaded):
    fitted = images.fit(images.read(photo), 128, loaded.model.stride)
    return loaded.normalise(torch.from_numpy(images.to_array(fitted.image))[None])


def test_the_curves_are_the_modules_distances_with_gamma_at_zero_and_as_chosen(photo, out):
    _, arrays = run(photo, out, gamma="2")
    loaded = network()
    x = reading(photo, loaded)
    off = [float(paper.feature_cosine_distance(m)) for m in paper.wide_channels(loaded.model, x)]
    np.testing.assert_allclose(arrays["off"], off, atol=1e-6)
    assert np.abs(arrays["on"] - arrays["off"]).max() > 1e-4
    assert {float(m.gamma.abs().max()) for m in loaded.model.modules() if isinstance(m, paper.GRN)} == {0.0}


@pytest.mark.parametrize("gamma", ["0", "learnt"])
def test_where_training_begins_on_is_off(photo, out, gamma):
    _, arrays = run(photo, out, gamma=gamma)
    np.testing.assert_array_equal(arrays["on"], arrays["off"])
    np.testing.assert_array_equal(arrays["before"], arrays["behind"])


def test_loud_channels_gain_on_quiet_ones_and_none_changes_direction(photo, out):
    result, arrays = run(photo, out, gamma="1", layer=2)
    ratio = arrays["behind"] / arrays["before"]
    expected = 1 + arrays["before"] / arrays["before"].mean()
    np.testing.assert_allclose(ratio, expected, rtol=1e-4)
    before, behind = result.numbers["distance_shown"]
    assert before == pytest.approx(behind, abs=1e-3) == pytest.approx(arrays["off"][2], abs=1e-3)
    assert result.numbers["loudest_to_mean"][1] > result.numbers["loudest_to_mean"][0]


def test_mixing_by_hand_brings_the_distance_down_to_nothing(photo, out):
    seen = [run(photo, out, alike=a)[0].numbers["distance_shown"][0] for a in (0, 0.5, 0.9, 1)]
    assert seen == sorted(seen, reverse=True)
    assert seen[0] > 0.4
    assert seen[-1] < 1e-4


def test_copies_look_alike_and_strangers_do_not(photo, out):
    def tiles():
        sheet = np.asarray(Image.open(out / "channels.png").convert("RGB")).astype(int)
        width, step = diversity.CELL, diversity.CELL + 12
        return [sheet[12:140, 12 + i * step : 12 + i * step + width] for i in range(2)]

    run(photo, out, alike=1)
    one, two = tiles()
    assert np.abs(one - two).max() <= 3
    run(photo, out)
    one, two = tiles()
    assert np.abs(one - two).mean() > 3


def test_untrained_weights_are_stamped_and_the_caption_says_what_they_cannot_show(photo, out):
    result, _ = run(photo, out)
    assert result.weights["trained"] is False
    captions = {a.name: a.caption for a in result.artifacts if a.kind == "image"}
    assert "nothing has collapsed" in captions["diversity"]
    assert all("Untrained" in caption for caption in captions.values())


def test_late_options_start_from_the_stored_channels(photo, out, monkeypatch):
    count, measure = [], diversity.measure
    monkeypatch.setattr(diversity, "measure", lambda *args: count.append(1) or measure(*args))
    for late in ({}, {"layer": 3}, {"alike": 0.5}):
        run(photo, out, **late)
    assert len(count) == 1


@pytest.mark.parametrize("layer", [6, -7])
def test_a_layer_that_is_not_there_is_refused(photo, out, layer):
    with pytest.raises(OptionError, match="choose 0 to 5"):
        run(photo, out, layer=layer)


def test_a_speck_works(picture, out, tmp_path):
    picture.resize((8, 8)).save(tmp_path / "speck.png")
    assert run(tmp_path / "speck.png", out)[0].numbers["channels"] == 384
