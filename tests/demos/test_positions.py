"""Position embeddings: what is compared, where it lies, what stays without a picture."""

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.drawing.colour import colour_map
from demos.shows import positions
from reference_impls.vit import pos_embed_similarity


def run(out, **options):
    return runner.run("positions", "vit", [], options, out), np.load(out / "similarities.npz")


def test_the_learnt_ones_are_the_models_own_by_the_papers_function(out):
    _, arrays = run(out)
    model = runner.warm("vit", "*.get_attention", "").model
    expected = pos_embed_similarity(model.pos_embed.detach(), (8, 8))
    np.testing.assert_allclose(arrays["learnt"], expected, atol=1e-6)


def test_the_rule_knows_neighbours_and_noise_does_not(out):
    _, arrays = run(out)
    beside = {name: np.mean([arrays[name][r, c, r, c + 1] for r in range(8) for c in range(7)]) for name in arrays}
    across = {name: np.mean([arrays[name][r, 0, 7 - r, 7] for r in range(8)]) for name in arrays}
    assert beside["sines_and_cosines"] - across["sines_and_cosines"] > 0.1
    assert abs(beside["random"] - across["random"]) < 0.1


def test_the_numbers_split_all_other_places(out):
    result, arrays = run(out, x=0.0, y=0.0)
    one, numbers = arrays["learnt"][0, 0], result.numbers
    assert numbers["like_neighbours"] == pytest.approx((one[0, 1] + one[1, 0]) / 2)
    assert numbers["like_row_and_column"] == pytest.approx((one[0, 2:].sum() + one[2:, 0].sum()) / 12, abs=1e-6)
    assert numbers["like_the_rest"] == pytest.approx(one[1:, 1:].mean(), abs=1e-6)


def test_every_map_lies_where_its_place_does(out):
    result, arrays = run(out)
    width, height = result.artifacts[0].plane
    shown = np.asarray(Image.open(out / result.artifacts[0].file))
    low, high = positions.limits(arrays["learnt"])
    for row, column in ((0, 0), (2, 6), (7, 7)):
        level = (arrays["learnt"][row, column, 1, 3] - low) / (high - low)
        tile = (height // 8, width // 8)
        cell = (tile[0] - positions.GAP) // 8
        at = (row * tile[0] + positions.GAP // 2 + cell + cell // 2, column * tile[1] + positions.GAP // 2 + 3 * cell + cell // 2)
        np.testing.assert_array_equal(shown[at], colour_map()[round(float(level) * 255)])


def test_a_place_with_itself_does_not_set_the_range():
    table = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]])
    similarity = pos_embed_similarity(table, (2, 2), num_prefix=0).numpy()
    assert positions.limits(similarity) == (-1, 0)
