"""Positions at another size: four ways, each the paper's, and the model left as it was."""

import json

import numpy as np
import pytest
import torch

from demos import runner
from demos.intake import images
from demos.shows import interpolation
from reference_impls.simclr import normalize
from reference_impls.vit import interpolate_pos_embed


def run(photo, out, paper="vit", **options):
    return runner.run("interpolation", paper, [photo], {"scale": "1.5", **options}, out)


@pytest.mark.parametrize(("paper", "own"), [("vit", "bicubic_antialias"), ("dino", "dino"), ("deit3", "bicubic")])
def test_the_models_own_way_gives_what_the_model_gives(photo, picture, out, paper, own):
    run(photo, out, paper)
    model = runner.warm(paper, "*.get_attention", "").model
    fitted = images.fit(picture, round(1.5 * model.grid * model.patch_size), model.patch_size)
    x = normalize(torch.from_numpy(images.to_array(fitted.image))[None])
    with torch.no_grad():
        row = model.get_attention(x)[-1][0].mean(0)[0, model.num_prefix:]
    expected = (row / row.sum()).view(fitted.grid(model.patch_size))
    np.testing.assert_allclose(np.load(out / "maps.npz")[own], expected, atol=1e-5)
    assert model.interpolation == own, "the shared model was changed"


def test_each_table_is_the_papers_function_in_that_mode():
    model = runner.warm("vit", "*.get_attention", "").model
    own, *ways = interpolation.places(model, (12, 5))
    torch.testing.assert_close(own, model.pos_embed[:, 1:])
    for mode, table in zip(interpolation.WAYS, ways, strict=True):
        torch.testing.assert_close(table, interpolate_pos_embed(model.pos_embed, (12, 5), 1, mode)[:, 1:])


def test_what_moves_is_half_the_sum_of_the_differences(photo, out):
    result, arrays = run(photo, out), np.load(out / "maps.npz")
    for way in ("bilinear_corners", "bicubic", "dino"):
        apart = np.abs(arrays[way] - arrays["bicubic_antialias"]).sum() / 2
        assert 0 < apart < 1
        assert result.numbers[f"moved_by_{way}"] == pytest.approx(apart, rel=1e-4)
    rows = json.loads((out / "ways.json").read_text())["rows"]
    assert [row[0] for row in rows] == list(interpolation.WAYS)
    assert rows[1][2:] == ["0.00 %", "1.00000"]


def test_at_the_trained_size_nothing_is_resampled_and_nothing_moves(picture, out, tmp_path, monkeypatch):
    monkeypatch.setattr(interpolation.images, "fit", lambda image, side, patch: images.square(image, 64))
    picture.save(tmp_path / "square.png")
    result = run(tmp_path / "square.png", out)
    assert [v for n, v in result.numbers.items() if n.startswith("moved")] == [0, 0, 0]


def test_a_strip_at_half_the_size_works(picture, out, tmp_path):
    picture.resize((480, 16)).save(tmp_path / "strip.png")
    assert run(tmp_path / "strip.png", out, scale="0.5").numbers["patches"] > 8
