"""Frequencies demo: what each path sees, and how fast its answer changes."""

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.drawing import spectra
from demos.drawing.frame import Framed
from demos.shows import frequencies
from reference_impls import hilo, vit


def run(photo, out, **options):
    result = runner.run("frequencies", "hilo", [photo], options, out)
    return result, np.load(out / "paths.npz")


@pytest.mark.parametrize(("window", "alpha"), [("2", 0.9), ("4", 0.0), ("2", 1.0)])
def test_what_a_patch_looks_at_sums_to_one_and_stays_in_its_window(photo, out, window, alpha):
    _, arrays = run(photo, out, window=window, alpha=alpha, y=0.3, x=0.8)
    rows, columns = arrays["looks_0"].shape
    at, s = Framed.at({"y": 0.3, "x": 0.8}, (rows, columns)), int(window)
    inside = np.zeros((rows, columns), bool)
    top, left = (n // s * s for n in at.place)
    inside[top : top + s, left : left + s] = True
    for n in range(4):
        assert arrays[f"looks_{n}"].sum() == pytest.approx(1, abs=1e-5)
    assert arrays["looks_1"][~inside].max() == 0
    assert arrays["looks_1"][inside].min() > 0
    assert arrays["looks_2"][~inside].min() > 0
    shared = {0.9: ("looks_3", "looks_2"), 0.0: ("looks_3", "looks_1"), 1.0: ("looks_3", "looks_2")}[alpha]
    same = np.abs(arrays[shared[0]] - arrays[shared[1]]).max()
    assert (same == 0) == (alpha in (0.0, 1.0))


def test_plain_paths_are_the_models_own_attention(photo, out, monkeypatch):
    """The ViT's layer itself, its own weights for the chosen patch, less the class token's share."""
    seen = []
    original = vit.Attention.forward

    def forward(self, x, need_weights=False):
        seen.append(x)
        return original(self, x, need_weights)

    monkeypatch.setattr(vit.Attention, "forward", forward)
    _, arrays = run(photo, out, layer=-1)
    grid = arrays["looks_0"].shape
    layer = vit.Attention(192, 6)
    layer.load_state_dict(runner.warm("hilo", "vit.ViT", runner.fingerprint.weights_hash("hilo")).model.blocks[-1].attn.state_dict())
    _, weights = original(layer, seen[5][:, 1:], True)
    expected = weights[0, :, Framed.at({"y": 0.5, "x": 0.5}, grid).index].mean(0).detach()
    np.testing.assert_allclose(arrays["looks_0"].ravel(), expected, atol=1e-6)


def test_looks_of_both_branches_are_weighed_by_their_heads():
    torch.manual_seed(0)
    plain = vit.Attention(16, 4)
    layer, at = hilo.from_plain(plain.qkv, 4, 2, 0.5).requires_grad_(False), Framed((2, 1), (4, 4))
    _, weights = layer(torch.randn(1, 16, 16), 4, 4, need_weights=True)
    both = frequencies.looked(weights, at, 2)
    high, low = frequencies.looked((weights.high, None), at, 2), frequencies.looked((None, weights.low), at, 2)
    np.testing.assert_allclose(both, (high + low) / 2, atol=1e-6)
    own = weights.high[0, 2, :, 1].mean(0).view(2, 2)               # third window, its second pixel
    np.testing.assert_allclose(high[2:, :2], own, atol=1e-6)


@pytest.mark.parametrize(("rows", "columns"), [(16, 16), (4, 24)])
def test_a_wave_has_its_amplitude_at_its_own_frequency(rows, columns):
    x = np.arange(columns)
    wave = np.broadcast_to(np.cos(2 * np.pi * x * 0.25), (rows, columns))[..., None] + 7
    found = dict(spectra.rings(wave))
    strongest = max(found, key=found.get)
    assert abs(strongest - 0.25) < 0.03
    assert all(value < 1e-6 for at, value in found.items() if abs(at - 0.25) > 0.05)


def test_power_over_all_frequencies_is_the_variance_of_the_map():
    noise = np.random.default_rng(0).normal(size=(8, 12, 3))
    power = np.square(spectra.amplitudes(noise))
    power[4, 6] = 0
    assert power.sum() / 96 == pytest.approx((noise - noise.mean((0, 1))).var(axis=(0, 1)).mean())


def test_lo_fi_alone_has_less_detail_than_hi_fi_alone(photo, out):
    result, arrays = run(photo, out)
    high, low = arrays["spectrum_1"], arrays["spectrum_2"]
    assert high[-1, 1] > 2 * low[-1, 1]
    assert result.numbers["fastest_amplitude_high"] == pytest.approx(high[-1, 1], abs=1e-5)


def test_alpha_shares_out_whole_heads(photo, out):
    for alpha, low in ((0.9, 5), (0.5, 3), (0.1, 0)):
        result, _ = run(photo, out, alpha=alpha)
        assert (result.numbers["low_heads"], result.numbers["heads"]) == (low, 6)


def test_hi_fi_is_drawn_lit_in_its_window_alone(photo, out):
    _, arrays = run(photo, out, window="4")
    drawn = np.asarray(Image.open(out / "looks.png").convert("RGB")).astype(int)
    rows, columns = arrays["looks_1"].shape
    half = drawn[drawn.shape[0] // 2 : -140, 20:460]                # the lower left picture, without labels
    colourful = half.max(-1) - half.min(-1) > 90
    assert 0 < colourful.mean() < 3 * 16 / (rows * columns)


def test_a_moved_slider_answers_from_the_stored_reading(photo, out, monkeypatch):
    run(photo, out)
    monkeypatch.setattr(vit.ViT, "embed", None)                     # the model is not asked again
    result, _ = run(photo, out, alpha=0.3, layer=1, y=0.1)
    assert result.numbers["layer"] == 1


def test_a_grey_strip_runs(out, tmp_path):
    Image.new("LA", (300, 10), (90, 40)).save(tmp_path / "strip.png")
    result, arrays = run(tmp_path / "strip.png", out, window="4")
    assert arrays["looks_0"].shape == (4, 120)
    assert [a.name for a in result.artifacts] == ["hilo", "looks", "spectrum", "planes", "paths", "params"]
