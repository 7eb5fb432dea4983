"""Reconstruction demo: what is pasted, what is counted, what repeats."""

import json

import numpy as np
import pytest
from safetensors.torch import save_file

from demos import runner
from demos.pieces import hiding
from reference_impls import mae


def run(photo, out, **options):
    result = runner.run("reconstruction", "mae", [photo], options, out)
    return result, np.load(out / "arrays.npz")


def test_pasted_is_the_input_where_it_was_visible_and_the_prediction_elsewhere(photo, out):
    _, arrays = run(photo, out)
    hidden = hiding.on_pixels(arrays["mask"], 64)
    np.testing.assert_allclose(arrays["pasted"][:, ~hidden], arrays["original"][:, ~hidden], atol=1e-5)
    np.testing.assert_allclose(arrays["pasted"][:, hidden], arrays["prediction"][:, hidden], atol=1e-5)
    assert np.abs(arrays["pasted"] - arrays["original"])[:, hidden].mean() > 0.01


@pytest.mark.parametrize(("ratio", "visible"), [(0.1, 57), (0.75, 16), (0.95, 3)])
def test_the_ratio_sets_how_many_patches_stay(photo, out, ratio, visible):
    result, arrays = run(photo, out, ratio=ratio)
    assert result.numbers["visible_patches"] == (~arrays["mask"]).sum() == visible
    assert result.numbers["patches"] == 64


def test_psnr_is_taken_over_hidden_pixels_alone(photo, out):
    result, arrays = run(photo, out)
    hidden = hiding.on_pixels(arrays["mask"], 64)
    error = (arrays["prediction"].clip(0, 1) - arrays["original"])[:, hidden]
    assert result.numbers["psnr_hidden_db"] == pytest.approx(-10 * np.log10(np.square(error).mean()), abs=0.01)


def test_a_perfect_picture_has_a_finite_psnr():
    assert hiding.psnr(np.ones(3), np.ones(3)) == 99


def test_the_seed_draws_the_mask(photo, out):
    masks = [run(photo, out, seed=s)[1]["mask"] for s in (0, 0, 1)]
    np.testing.assert_array_equal(masks[0], masks[1])
    assert (masks[0] != masks[2]).any()


def test_captions_explain_the_seams(photo, out):
    result, _ = run(photo, out)
    captions = {a.name: a.caption for a in result.artifacts}
    assert "Edges along the grid are normal" in captions["pasted"]
    assert "brightness" not in captions["pasted"]
    assert "16 of 64 patches visible" in captions["masked"]
    assert "cut off, at left and right" in captions["original"]
    assert next(iter(captions)) == "comparison"


def test_weights_of_normalised_pixels_say_whose_brightness_is_shown(photo, out, tmp_path, monkeypatch):
    """A prediction without mean and contrast borrows both from the truth, and the caption owns up."""
    shape = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2, "norm_pix_loss": True,
             "decoder_embed_dim": 16, "decoder_depth": 1, "decoder_num_heads": 2}
    save_file(mae.MAE(**shape).state_dict(), tmp_path / "mae.safetensors")
    (tmp_path / "mae.json").write_text(json.dumps({"architecture": {"kwargs": shape}}))
    monkeypatch.setenv("KB_WEIGHTS_DIR", str(tmp_path))
    result, _ = run(photo, out)
    captions = {a.name: a.caption for a in result.artifacts}
    assert "brightness and contrast from the true one" in captions["pasted"]
