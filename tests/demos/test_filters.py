"""First-layer filters: the paper's components, and a picture through them."""

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.shows import filters
from reference_impls.vit import patch_embed_pca


def run(photo, out, **options):
    return runner.run("filters", "vit", [photo], options, out), np.load(out / "filters.npz")


def test_the_filters_are_the_components_of_the_models_own_map(photo, out):
    result, arrays = run(photo, out)
    weight = runner.warm("vit", "*.get_attention", "").model.patch_embed.proj.weight
    components, share = patch_embed_pca(weight, 64)
    np.testing.assert_allclose(arrays["filters"], components, atol=1e-5)
    np.testing.assert_allclose(arrays["share"], share, rtol=1e-4)
    assert result.numbers["explained_by_used"] == pytest.approx(float(share[:8].sum()), rel=1e-4)


def test_all_directions_together_give_the_picture_back():
    x = torch.randn(1, 3, 8, 12)
    basis, _ = torch.linalg.qr(torch.randn(48, 48))
    torch.testing.assert_close(filters.through(x, basis.view(48, 3, 4, 4)), x, atol=1e-4, rtol=0)


def test_a_projection_done_twice_is_done_once():
    x, (first, _) = torch.randn(1, 3, 8, 8), patch_embed_pca(torch.randn(60, 3, 4, 4), 5)
    once = filters.through(x, first)
    torch.testing.assert_close(filters.through(once, first), once, atol=1e-5, rtol=0)


def test_the_pictures_own_directions_say_more_of_it_than_random_ones(photo, out):
    few, many = (run(photo, out, components=k)[0].numbers for k in (4, 32))
    assert few["psnr_of_own_directions_db"] > few["psnr_db"] + 3
    assert many["psnr_of_own_directions_db"] > few["psnr_of_own_directions_db"]
    assert many["psnr_db"] > few["psnr_db"]


def test_answers_have_the_sign_of_the_likeness_and_its_colour(photo, out):
    _, arrays = run(photo, out)
    assert arrays["responses"].shape[0] == filters.FIRST
    shown = np.asarray(Image.open(out / "responses.png")).astype(int)
    tile = shown[12 : 12 + 220, 12 + 300 + 12 : 12 + 300 + 12 + 300]
    row, column = np.unravel_index(np.abs(arrays["responses"][0]).argmax(), arrays["responses"][0].shape)
    rows, columns = arrays["responses"][0].shape
    red, _, blue = tile[int((row + 0.5) * 220 / rows), int((column + 0.5) * 300 / columns)]
    assert (red > blue) == (arrays["responses"][0, row, column] > 0)


@pytest.mark.parametrize("size", [(8, 8), (400, 14)])
def test_one_flat_colour_and_specks_and_strips_work(out, tmp_path, size):
    Image.new("RGBA", size, (10, 200, 30, 120)).save(tmp_path / "flat.png")
    result, arrays = run(tmp_path / "flat.png", out)
    assert np.isfinite(arrays["patch_share"]).all()
    assert np.isfinite(result.numbers["psnr_db"])
