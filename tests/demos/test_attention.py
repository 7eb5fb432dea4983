"""Attention demo on a tiny untrained model, and its maths on small numbers."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.offers import papers_with
from demos.pieces import maps
from demos.shows import attention
from demos.specs import DEMOS, OptionError


def random_maps(layers=3, heads=2, tokens=10):
    torch.manual_seed(0)
    return [torch.randn(heads, tokens, tokens).softmax(-1) for _ in range(layers)]


def test_rollout_rows_sum_to_one():
    torch.testing.assert_close(maps.rollout(random_maps(), torch.eye(10)).sum(-1), torch.ones(10))


def test_rollout_is_the_product_of_half_identity_half_attention():
    first, second = random_maps(layers=2, heads=1)
    eye = torch.eye(10)
    expected = (second[0] + eye) / 2 @ ((first[0] + eye) / 2)
    torch.testing.assert_close(maps.rollout([first, second], eye), expected)


def test_tokens_that_look_only_at_themselves_roll_out_to_the_identity():
    torch.testing.assert_close(maps.rollout([torch.eye(4)[None]] * 5, torch.eye(4)), torch.eye(4))


def test_views_hold_the_class_tokens_row_without_the_prefix():
    attention = random_maps()
    views = maps.all_views(maps.read(attention, num_prefix=1), layer=1, grid=(3, 3))
    row = attention[1][:, 0, 1:]
    expected = (row / row.sum(-1, keepdim=True)).view(2, 3, 3)
    np.testing.assert_allclose(views.heads, expected, rtol=1e-6)
    mean = attention[1].mean(0)[0, 1:]
    np.testing.assert_allclose(views.mean[0], (mean / mean.sum()).view(3, 3), rtol=1e-5)
    np.testing.assert_array_equal(views.layers[1], views.mean[0])
    for view in ("heads", "mean", "rollout", "layers"):
        np.testing.assert_allclose(views[view].sum((1, 2)), 1, rtol=1e-5)


def test_without_a_class_token_a_map_shows_what_each_patch_receives():
    attention = random_maps(tokens=9)[0]
    np.testing.assert_allclose(maps.to_patches(attention, 0), attention.mean(1), rtol=1e-5)


@pytest.mark.parametrize("mass", [0.05, 0.3, 0.6, 1.0])
def test_the_mask_is_the_smallest_set_that_holds_the_mass(mass):
    values = random_maps(heads=4, tokens=16)[0][:, 0].view(4, 4, 4).numpy()
    for kept, one in zip(maps.mass_masks(values, mass), values, strict=True):
        total = one.sum()
        assert one[kept].sum() >= mass * total - 1e-5
        assert one[kept].sum() - one[kept].min() < mass * total + 1e-5
        assert not (~kept).any() or one[kept].min() >= one[~kept].max()


def run(photo, out, paper="vit", **options):
    seen = []
    return runner.run("attention", paper, [photo], options, out, seen.append), seen


def test_a_run_writes_what_it_lists(photo, out):
    result, seen = run(photo, out, size="64")
    names = [a.name for a in result.artifacts]
    assert names == ["attention", "mass", "input", "mean", "heads", "rollout", "layers", "maps", "params"]
    for artifact in result.artifacts:
        assert (out / artifact.file).stat().st_size > 0
        assert artifact.caption.endswith(".")
        assert artifact.kind == "data" or artifact.alt
    partial = [p.artifact.name for p in seen if p.artifact]
    assert partial == [f"layer_{i:02}" for i in range(6)]
    assert seen[-1].step == seen[-1].total


def test_numbers_agree_with_the_arrays(photo, out):
    result, _ = run(photo, out, size="64", view="heads", layer=2, mass=0.4)
    arrays = np.load(out / "maps.npz")
    assert result.numbers["layer"] == 2
    assert arrays["heads"].shape[0] == result.numbers["heads"] == 6
    assert result.numbers["patches_kept"] == arrays["kept"].sum((1, 2)).tolist()
    assert result.numbers["patches"] == arrays["heads"][0].size
    np.testing.assert_allclose(arrays["rollout"].sum(), 1, rtol=1e-5)


def test_untrained_weights_are_stamped_on_every_picture_and_said_in_words(photo, out):
    result, seen = run(photo, out, size="64")
    assert result.weights["trained"] is False
    shown = [a for a in result.artifacts if a.kind == "image"] + [p.artifact for p in seen if p.artifact]
    for artifact in shown:
        pixels = np.asarray(Image.open(out / artifact.file))
        assert tuple(pixels[-1, 0]) == (198, 40, 40), artifact.name
        assert "ntrained" in artifact.caption


def test_the_picture_carries_its_own_recipe(photo, out):
    result, _ = run(photo, out, size="64", mass=0.3)
    for name in ("attention.png", "mass.png"):
        recipe = json.loads(Image.open(out / name).text["vitrine"])
        assert recipe["options"]["mass"] == 0.3
        assert recipe["weights"]["name"] == "random initialisation"
        assert (recipe["demo"], recipe["paper"]) == ("attention", "vit")
        assert recipe["code_version"] == result.code_version
    assert json.loads((out / "params.json").read_text())["numbers"] == result.numbers


def test_the_same_run_gives_the_same_numbers(photo, out):
    first = (run(photo, out, size="64")[0].numbers, np.load(out / "maps.npz")["heads"])
    runner.warm.cache_clear()
    second = (run(photo, out, size="64")[0].numbers, np.load(out / "maps.npz")["heads"])
    assert first[0] == second[0]
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize("layer", [-7, 6, 40])
def test_a_layer_the_model_does_not_have_is_refused(photo, out, layer):
    with pytest.raises(OptionError, match="choose 0 to 5") as caught:
        run(photo, out, layer=layer, size="64")
    assert caught.value.field == "layer"


@pytest.mark.parametrize("paper", ["mae", "dino", "deit3", "can"])
def test_every_transformer_paper_shows_its_attention(photo, out, paper):
    result, _ = run(photo, out, paper=paper, size="64")
    assert result.numbers["patches"] == 63


def test_a_panorama_works(picture, out, tmp_path):
    picture.resize((500, 20)).save(tmp_path / "wide.png")
    run(tmp_path / "wide.png", out, size="64")
    assert np.load(out / "maps.npz")["mean"].shape[1:] == (2, 50)


def test_papers_and_demos_that_do_not_go_together_are_refused(photo, out):
    with pytest.raises(ValueError, match=r"does not offer attention; these do: .*vit"):
        run(photo, out, paper="byol")
    with pytest.raises(ValueError, match="does not offer"):
        run(photo, out, paper="../secrets")
    with pytest.raises(ValueError, match="no demo 'dream'"):
        runner.run("dream", "vit", [photo], {}, out)
    with pytest.raises(ValueError, match="takes one picture"):
        runner.run("attention", "vit", [], {}, out)


def test_cancelling_ends_the_run_at_the_next_report(photo, out):
    def stop(progress):
        if progress.step == 2:
            raise runner.Cancelled
    with pytest.raises(runner.Cancelled):
        runner.run("attention", "vit", [photo], {"size": "64"}, out, stop)
    assert not (out / "params.json").exists()


@pytest.fixture
def readings(monkeypatch):
    """How often the model read a picture."""
    read, count = attention.read_attention, []
    monkeypatch.setattr(attention, "read_attention", lambda *args: count.append(1) or read(*args))
    return count


def test_sliders_start_from_the_stored_reading_and_give_what_a_fresh_one_would(photo, out, readings, tmp_path):
    run(photo, out, size="64")
    late = {"view": "heads", "layer": 1, "mass": 0.3, "opacity": 0.2}
    shown, seen = run(photo, out, size="64", **late)
    assert len(readings) == 1
    assert not [p.artifact for p in seen if p.artifact]
    pictures = {a.name: Image.open(out / a.file).tobytes() for a in shown.artifacts if a.kind == "image"}
    (tmp_path / "fresh").mkdir()
    fresh = runner.run("attention", "vit", [photo], {"size": "64", **late}, tmp_path / "fresh", cache=tmp_path / "none")
    assert fresh.numbers == shown.numbers
    for name, pixels in pictures.items():
        assert Image.open(tmp_path / "fresh" / f"{name}.png").tobytes() == pixels


def test_another_size_is_another_reading(photo, out, readings):
    for size in ("64", "96", "64"):
        run(photo, out, size=size)
    assert len(readings) == 2


@pytest.mark.parametrize("paper", papers_with(DEMOS["attention"]))
def test_layers_come_one_by_one_as_the_papers_own_function_gives_them(paper):
    model = runner.warm(paper, "*.get_attention", "").model
    torch.manual_seed(0)
    x = torch.randn(1, 3, 4 * model.patch_size, 5 * model.patch_size)
    with torch.no_grad():
        for ours, theirs in zip(maps.layer_weights(model, x), model.get_attention(x), strict=True):
            torch.testing.assert_close(ours, theirs[0])


def test_a_rollout_from_one_token_is_that_row_of_the_whole():
    layers = random_maps()
    whole = maps.rollout(layers, torch.eye(10))
    torch.testing.assert_close(maps.rollout(layers, torch.eye(1, 10)), whole[:1])
    torch.testing.assert_close(maps.read(layers, num_prefix=0).rollout[0], whole.mean(0))
