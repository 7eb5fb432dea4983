"""Token norms: the paper's outliers, counted on the model's own tokens."""

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.intake import images
from demos.shows import norms
from reference_impls.registers import neighbor_cosine, outlier_tokens
from reference_impls.simclr import normalize


def run(photo, out, paper="vit", **options):
    result = runner.run("norms", paper, [photo], {"size": "64", **options}, out)
    return result, np.load(out / "norms.npz")


@pytest.mark.parametrize("paper", ["vit", "mae", "registers"])
def test_norms_are_those_of_the_patches_behind_the_last_layer(photo, picture, out, paper):
    result, arrays = run(photo, out, paper, times=1.0)
    model = runner.warm(paper, "*.get_attention", "").model
    x = normalize(torch.from_numpy(images.to_array(images.fit(picture, 64, 8).image))[None])
    with torch.no_grad():
        tokens = model.embed(x)
        for block in model.blocks:
            tokens = block(tokens)
        alike = neighbor_cosine(model.patch_embed(x), (7, 9))
    patches = tokens[:, model.num_prefix:]
    median = float(patches.norm(dim=-1).median())
    expected, mask, share = outlier_tokens(patches, median)
    np.testing.assert_allclose(arrays["norms"][-1], expected[0], rtol=1e-4)
    np.testing.assert_allclose(arrays["neighbours"].ravel(), alike[0], atol=1e-5)
    assert (result.numbers["outliers"], result.numbers["outlier_share"]) == (int(mask.sum()), pytest.approx(float(share)))
    assert result.numbers["median_norm"] == pytest.approx(median, rel=1e-4)
    assert len(result.numbers["norms_of_other_tokens"]) == model.num_prefix


def test_an_outlier_is_lit_counted_and_said_to_be_one():
    tokens = torch.ones(1, 12, 4)
    tokens[0, 5] = 40
    long, mask, share = outlier_tokens(tokens, cutoff=10)
    alike = torch.full((12,), 0.25)
    alike[5] = 0.75
    numbers = norms.count(long[0], mask[0], float(share), alike)
    assert (numbers["outliers"], numbers["neighbour_cosine_of_outliers"]) == (1, 0.75)
    assert numbers["largest_by_median"] == pytest.approx(40)
    assert norms.verdict(numbers).startswith("1 of 12 patches are beyond the cutoff")


def test_a_model_without_outliers_says_that_this_is_as_it_should_be(photo, out):
    result, _ = run(photo, out, times=10)
    assert result.numbers["outliers"] == 0
    assert "in a small one none are to be expected" in result.artifacts[0].caption
    lit = np.asarray(Image.open(out / "norms.png"))[12 + 245 + 40 : 12 + 245 + 200, 20:320]
    assert lit.max() < 80, "no patch is lit"


def test_the_cutoff_starts_from_the_stored_tokens(photo, out, monkeypatch):
    read, count = norms.tokens.read_tokens, []
    monkeypatch.setattr(norms.tokens, "read_tokens", lambda *a: count.append(1) or read(*a))
    found = [run(photo, out, times=t)[0].numbers["outliers"] for t in (1.0, 1.5, 10.0)]
    assert len(count) == 1
    assert found == sorted(found, reverse=True)


def test_a_strip_of_one_colour_works(out, tmp_path):
    Image.new("L", (480, 16), 90).save(tmp_path / "strip.png")
    run(tmp_path / "strip.png", out, layer=0)
