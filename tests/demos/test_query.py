"""What one patch attends to: the rows are the model's own, the frame is where one pointed."""

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.drawing.frame import COLOUR, Framed
from demos.intake import images
from demos.offers import papers_with
from demos.shows import query
from demos.specs import DEMOS, OptionError
from reference_impls.simclr import normalize


def run(photo, out, paper="dino", **options):
    result = runner.run("query", paper, [photo], {"size": "64", "layer": -1, **options}, out)
    return result, np.load(out / "rows.npz")


@pytest.mark.parametrize("paper", papers_with(DEMOS["query"]))
def test_rows_are_those_of_the_papers_own_get_attention(photo, picture, out, paper):
    result, arrays = run(photo, out, paper, x=0.6, y=0.2)
    model = runner.warm(paper, "*.get_attention", "").model
    fitted = images.fit(picture, 64, model.patch_size)
    grid = fitted.grid(model.patch_size)
    at = int(0.2 * grid[0]) * grid[1] + int(0.6 * grid[1])
    x = normalize(torch.from_numpy(images.to_array(fitted.image))[None])
    with torch.no_grad():
        weights = torch.stack(model.get_attention(x))[:, 0]          # (L, h, T, T)
    np.testing.assert_allclose(arrays["patch"], weights[:, :, model.num_prefix + at], atol=1e-5)
    np.testing.assert_allclose(arrays["class_token"], weights[:, :, 0], atol=1e-5)
    assert (result.numbers["row"] - 1) * grid[1] + result.numbers["column"] - 1 == at


def test_each_row_sums_to_one_and_the_numbers_are_its_parts(photo, out):
    result, arrays = run(photo, out, layer=2)
    np.testing.assert_allclose(arrays["patch"].sum(-1), 1, atol=1e-5)
    mean, numbers = arrays["patch"][2].mean(0), result.numbers
    at = (numbers["row"] - 1) * 9 + numbers["column"] - 1
    assert numbers["share_to_itself"] == pytest.approx(mean[1 + at])
    assert numbers["share_to_no_patch"] == pytest.approx(mean[0])
    largest = np.sort(mean[1:])[::-1].cumsum() / mean[1:].sum()
    assert numbers["patches_for_half"] == np.searchsorted(largest, 0.5) + 1


@pytest.mark.parametrize(
    ("x", "y", "place"), [(0, 0, (0, 0)), (1, 1, (6, 8)), (0.5, 0.5, (3, 4)), (0.99, 0, (0, 8))]
)
def test_x_and_y_run_over_the_picture_from_edge_to_edge(x, y, place):
    assert Framed.at({"x": x, "y": y}, (7, 9)).place == place


def test_the_frame_is_where_the_patch_is_and_nowhere_else(photo, out):
    result, _ = run(photo, out, x=0.9, y=0.6)
    lead = result.artifacts[0]
    pixels = np.asarray(Image.open(out / lead.file))
    colour = [int(COLOUR[i : i + 2], 16) for i in (1, 3, 5)]
    rows, columns = np.nonzero((pixels == colour).all(-1))
    width, height = lead.plane
    assert (rows.min() // (height // 7), columns.min() // (width // 9)) == (4, 8)
    assert (rows.max() // (height // 7), columns.max() // (width // 9)) == (4, 8)


def test_the_first_picture_says_where_it_can_be_pointed_at_without_the_stamp(photo, out):
    result, _ = run(photo, out)
    width, height = result.artifacts[0].plane
    with Image.open(out / result.artifacts[0].file) as shown:
        assert shown.width == width
        assert shown.height > height, "the stamp lies below the plane"
    assert [a.plane for a in result.artifacts[1:]] == [None] * (len(result.artifacts) - 1)


def test_another_patch_starts_from_the_stored_tokens(photo, out, monkeypatch):
    read, count = query.tokens.read_tokens, []
    monkeypatch.setattr(query.tokens, "read_tokens", lambda *a: count.append(1) or read(*a))
    first = run(photo, out, x=0.1)[1]["patch"]
    second = run(photo, out, x=0.9, layer=0)[1]["patch"]
    assert len(count) == 1
    assert np.abs(first - second).max() > 1e-5


def test_a_layer_the_model_does_not_have_is_refused(photo, out):
    with pytest.raises(OptionError, match="choose 0 to 5"):
        run(photo, out, layer=6)


def test_a_strip_of_grey_works(picture, out, tmp_path):
    picture.convert("L").resize((480, 16)).save(tmp_path / "strip.png")
    result, _ = run(tmp_path / "strip.png", out, x=1)
    assert result.numbers["column"] == result.numbers["patches"] == 30
