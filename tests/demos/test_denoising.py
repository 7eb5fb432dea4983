"""Denoising demo: two models that differ by what they are told, and what is taken away."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from demos import runner
from demos.pieces import denoised, noise_training
from demos.shows import denoising
from reference_impls import can
from reference_impls.mae import patchify
from reference_impls.simclr import MEAN, STD


def run(photo, out, report=lambda progress: None, **options):
    result = runner.run("denoising", "can", [photo], {"steps": 20, **options}, out, report)
    return result, np.load(out / "denoised.npz")


@pytest.fixture
def model():
    torch.manual_seed(0)
    return can.build(noise_training.small(can)).eval()


@pytest.fixture
def truth():
    return torch.rand(3, 32, 48, generator=torch.Generator().manual_seed(1))


def test_who_names_the_noise_exactly_gets_the_picture_back(model, truth, monkeypatch):
    """Whatever level is told: what was added is what is taken away."""
    def knowing(imgs, mask_ratio, u, eps, noise):
        _, mask, _ = model.forward_encoder(imgs, mask_ratio, noise)
        added = model.std * u[:, None, None, None] * eps
        visible = 1 - mask[..., None]
        return {"pred": visible * patchify(added, 2) + (1 - visible) * patchify(imgs, 2), "mask": mask}

    monkeypatch.setattr(model, "forward", knowing)
    for claimed in (0.1, 0.5, 0.9):
        done = denoised.denoise(model, truth, 0.5, claimed, seed=0)
        np.testing.assert_allclose(done.restored, truth, atol=1e-5)
        np.testing.assert_allclose(done.painted, truth, atol=1e-5)


def test_noise_has_the_level_that_was_asked_for_whatever_is_told(model, truth):
    one, other = (denoised.denoise(model, truth, 0.5, claimed, seed=0) for claimed in (0.5, 0.1))
    np.testing.assert_allclose(one.noisy, other.noisy, atol=1e-6)
    added = (one.noisy - truth.numpy()) / np.array(STD)[:, None, None]
    assert added.std() == pytest.approx(0.5, rel=0.03)


def test_what_is_told_reaches_the_decoder_unless_it_is_silenced(model, truth):
    def answers():
        return [denoised.denoise(model, truth, 0.5, claimed, seed=0).restored for claimed in (0.5, 0.1)]

    heard = answers()
    assert np.abs(heard[0] - heard[1]).max() > 1e-4
    for weights in model.noise_pe_mlp.parameters():
        weights.data.zero_()
    deaf = answers()
    np.testing.assert_allclose(deaf[0], deaf[1], atol=1e-5)


def test_half_of_the_patches_are_seen_at_once_and_all_in_two_masks(model, truth):
    done = denoised.denoise(model, truth, 0.5, 0.5, seed=0)
    assert np.isnan(done.half).mean() == 0.5
    assert not np.isnan(done.restored).any()
    seen = ~np.isnan(done.half)
    np.testing.assert_allclose(done.half[seen], done.noisy[seen], atol=1e-6)


def test_tiles_go_back_to_their_places(truth):
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    tiles = denoised.cut((truth - mean) / std, 16)
    assert tiles.shape == (6, 3, 16, 16)
    np.testing.assert_allclose(denoised.laid(tiles, 3), truth, atol=1e-6)


def test_both_models_start_alike_and_one_stays_silent(photo, out, tmp_path):
    seen = []
    result, arrays = run(photo, out, report=seen.append)
    live = [p.series for p in seen if p.series]
    assert [s["told the level"][0][0] for s in live] == list(range(20))
    assert list(live[0]) == ["told the level", "not told"]
    losses = arrays["losses"][:, 1:]                               # (steps, told and not)
    assert (losses[-5:].mean(0) < 0.8 * losses[:5].mean(0)).all()
    np.testing.assert_allclose(losses[0, 0], losses[0, 1], rtol=0.3)
    assert (losses[:, 0] != losses[:, 1]).any()
    assert result.numbers["steps"] == 20
    stage = next((tmp_path / "stages").glob("*.safetensors"))
    telling = {k: v for k, v in load_file(stage).items() if "noise_pe_mlp" in k}
    assert all(not v.any() for k, v in telling.items() if k.startswith("not told/"))
    assert any(v.any() for k, v in telling.items() if k.startswith("told the level/"))


def test_another_level_of_noise_is_drawn_without_another_training(photo, out, monkeypatch):
    first, _ = run(photo, out, sigma=0.3)
    monkeypatch.setattr(denoising, "trained", None)
    second, _ = run(photo, out, sigma=0.9)
    assert second.numbers["psnr_noisy_db"] < first.numbers["psnr_noisy_db"] - 3
    drawn = np.asarray(Image.open(out / "denoised.png").convert("RGB")).astype(float)
    clean, noisy = drawn[12:237, 12:237], drawn[12:237, 249:474]
    assert np.abs(np.diff(noisy, axis=0)).mean() > 3 * np.abs(np.diff(clean, axis=0)).mean()


def test_near_the_time_limit_it_ends_with_what_there_is(photo, out, monkeypatch):
    monkeypatch.setattr(noise_training, "PATIENCE", 0)
    result, _ = run(photo, out)
    assert result.numbers["steps"] == 1
    assert "stopped after 1 of 20 steps" in result.artifacts[0].caption


def test_a_cancel_stops_the_training(photo, out):
    def report(progress):
        if progress.step == 2:
            raise runner.Cancelled

    with pytest.raises(runner.Cancelled):
        run(photo, out, report=report)
    assert not (out / "params.json").exists()


def test_the_caption_says_whether_the_decoder_listens(truth):
    def scored(value):
        picture = truth.numpy() + value
        return denoised.Denoised(0.5, truth.numpy(), picture, picture, picture.clip(0, 1), picture)

    assert "not learnt to listen" in denoising.listens(scored(0.1), [scored(0.1), scored(0.1)])
    assert "it listens" in denoising.listens(scored(0.1), [scored(0.1), scored(0.3)])


def test_a_flat_grey_strip_trains_to_finite_numbers(out, tmp_path):
    Image.new("L", (300, 10), 128).save(tmp_path / "strip.png")
    result, arrays = run(tmp_path / "strip.png", out)
    assert np.isfinite(arrays["losses"]).all()
    assert np.isfinite(result.numbers["psnr_told_db"])
