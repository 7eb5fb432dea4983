"""Next frame demo: the frame that is asked for is kept from the networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.intake import frames
from demos.pieces import clips
from demos.shows import next_frame
from reference_impls import video_prediction
from tests.demos.filmed import film, frame


def run(paths, out, cache, **options):
    options = {"steps": 20} | options
    return runner.run("next_frame", "video_prediction", paths, options, out, cache=cache)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One training for all tests of the same clip."""
    return tmp_path_factory.mktemp("stages")


def test_the_processs_own_random_numbers_stay_as_they_were(tmp_path, out):
    before = torch.get_rng_state()
    run([film(tmp_path)], out, tmp_path / "fresh", seed=5)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_networks_come_nearer_and_are_measured_by_the_papers_functions(tmp_path, out, cache):
    result = run([film(tmp_path)], out, cache)
    kept = np.load(out / "predictions.npz")
    truth = torch.from_numpy(kept["truth"])
    for name in ("l2", "sharp"):
        assert kept[f"{name}_psnr"][-3:].mean() > kept[f"{name}_psnr"][:3].mean() + 1
        painted = torch.from_numpy(kept[f"{name}_scale2"])
        psnr = float(video_prediction.psnr(painted, truth, max=2))
        assert result.numbers[f"psnr_{name}_db"] == pytest.approx(psnr, abs=0.01)
    assert result.numbers["stopped_early"] == "no"


def test_the_frame_asked_for_is_the_liveliest_of_the_second_half(tmp_path, out, cache):
    made = [frame(0)] * 9 + [frame(n) for n in (0, 1, 2, 12, 13, 14, 15)]
    made[0].save(tmp_path / "a.png", save_all=True, append_images=made[1:])
    result = run([tmp_path / "a.png"], out, cache)
    assert result.numbers["frame"] == 13
    clip = clips.prepared(frames.read(tmp_path / "a.png"), 96, 8, 12)
    truth = np.load(out / "predictions.npz")["truth"]
    assert np.allclose(truth[0], 2 * clip.pixels[:, 12] - 1, atol=1e-6)


def test_each_loss_asks_for_its_own_thing_at_every_scale():
    target = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    levels = video_prediction.pyramid(target, 3)
    brighter = [one + 0.1 for one in levels]
    l2 = next_frame.asked(video_prediction, "l2", brighter, target)
    sharp = next_frame.asked(video_prediction, "sharp", brighter, target)
    assert l2.item() == pytest.approx(3 * 0.1**2, rel=1e-4)
    assert sharp.item() == pytest.approx(3 * 0.1, rel=1e-4)  # gradients agree
    flat = [torch.full_like(one, one.mean()) for one in levels]
    gradients = sum(video_prediction.gdl_loss(a, b) / b.numel() for a, b in zip(flat, levels, strict=True))
    near = sum((a - b).abs().mean() for a, b in zip(flat, levels, strict=True))
    assert next_frame.asked(video_prediction, "sharp", flat, target).item() == pytest.approx(float(gradients + near), rel=1e-4)


def test_a_clip_that_stands_still_is_best_repeated(tmp_path, out, cache):
    Image.new("L", (40, 30), 90).save(tmp_path / "a.png")
    result = run([tmp_path / "a.png"], out, cache)
    assert result.numbers["psnr_copy_db"] == 99
    assert "Repeating the frame before is nearer" in result.artifacts[0].caption


def test_the_first_picture_holds_the_truth_and_the_frame_before(tmp_path, out, cache):
    run([film(tmp_path)], out, cache)
    with Image.open(out / "next.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB"), dtype=int)
    truth, before = pixels[12:290, 12:392], pixels[12:290, 404:784]
    across = [np.nonzero(one[..., 0] > 200)[1].mean() for one in (truth, before)]
    assert 4 < across[0] - across[1] < 12  # two pixels of 96, on 380


@pytest.mark.parametrize("size", [(8, 8), (20, 600)])
def test_awkward_pictures_are_panned(tmp_path, out, cache, size):
    Image.new("L", size, 90).save(tmp_path / "a.png")
    assert run([tmp_path / "a.png"], out, cache).numbers["panned"] == "yes"
