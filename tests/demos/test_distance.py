"""Attention distance: the paper's function over the picture's own attention."""

import json

import numpy as np
import pytest
import torch

from demos import runner
from demos.intake import images
from reference_impls.simclr import normalize
from reference_impls.vit import mean_attention_distance


def run(photo, out, paper="vit", **options):
    result = runner.run("distance", paper, [photo], {"size": "64", **options}, out)
    return result, np.load(out / "distances.npz")


@pytest.mark.parametrize("paper", ["vit", "mae", "registers"])
def test_distances_are_the_papers_over_the_models_own_attention(photo, picture, out, paper):
    _, arrays = run(photo, out, paper)
    model = runner.warm(paper, "*.get_attention", "").model
    fitted = images.fit(picture, 64, 8)
    x = normalize(torch.from_numpy(images.to_array(fitted.image))[None])
    with torch.no_grad():
        layers = model.get_attention(x)
    for name, whole in (("plain", False), ("whole", True)):
        theirs = [mean_attention_distance(a, fitted.grid(8), 8, model.num_prefix, whole)[0] for a in layers]
        np.testing.assert_allclose(arrays[name], torch.stack(theirs), rtol=1e-4)


def test_equal_attention_is_as_far_as_two_patches_are_on_average(photo, out):
    result, _ = run(photo, out)
    y, x = np.mgrid[:7, :9] * 8
    places = np.stack([y.ravel(), x.ravel()], 1)
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    assert result.numbers["uniform_px"] == pytest.approx(apart.mean(), rel=1e-5)


def test_patches_alone_look_farther_because_the_class_token_has_no_place(photo, out):
    plain, whole = (run(photo, out, whole=w)[0].numbers["mean_of_layers_px"] for w in (False, True))
    assert all(w > p for p, w in zip(plain, whole, strict=True))


def test_the_table_says_what_the_plot_shows(photo, out):
    result, arrays = run(photo, out)
    rows = json.loads((out / "layers.json").read_text())["rows"]
    assert rows[0] == ["0", *(f"{v:.1f}" for v in (arrays["plain"][0].min(), arrays["plain"][0].mean(), arrays["plain"][0].max()))]
    assert len(rows) == result.numbers["layers"] == 6


def test_a_strip_works(picture, out, tmp_path):
    picture.resize((480, 16)).save(tmp_path / "strip.png")
    result, _ = run(tmp_path / "strip.png", out)
    assert result.numbers["farthest_px"] > 64
