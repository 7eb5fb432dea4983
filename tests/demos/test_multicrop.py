"""Multi-crop: the table of pairs is the papers' own loss, and the shares are the frames'."""

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.drawing.colour import colour_map
from demos.offers import papers_with
from demos.shows import multicrop
from demos.specs import DEMOS
from reference_impls import dino, dinov2, swav

V, B, K = 5, 3, 7


def run(file, out, paper="dino", **options):
    return runner.run("multicrop", paper, [file], options, out)


def drawn(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(len(shape)))


def over_pairs(log_p, targets):
    """Mean cross-entropy over the demo's pairs; (V, B, K) and (2, B, K)."""
    table = torch.from_numpy(multicrop.pairs(len(log_p)))
    each = -torch.einsum("vbk,tbk->vtb", log_p, targets).mean(-1)
    return each[table].mean()


def test_the_pairs_are_those_of_dinos_loss():
    student, teacher = drawn(V, B, K), drawn(2, B, K).flip(-1)
    center = torch.zeros(1, K, dtype=torch.float64)
    loss = dino.dino_loss(student.flatten(0, 1), teacher.flatten(0, 1), center, V)
    ours = over_pairs((student / 0.1).log_softmax(-1), (teacher / 0.04).softmax(-1))
    torch.testing.assert_close(loss, ours)


def test_the_pairs_are_those_of_dinov2s_loss():
    student, teacher = drawn(V, B, K), drawn(2, B, K).flip(-1)
    center = torch.zeros(1, K, dtype=torch.float64)
    loss = dinov2.dinov2_dino_loss(
        student[2:].flatten(0, 1), student[:2].flatten(0, 1), teacher.flatten(0, 1), center, V - 2, 0.05,
    )
    torch.testing.assert_close(loss, over_pairs((student / 0.1).log_softmax(-1), (teacher / 0.05).softmax(-1)))


def test_the_pairs_are_those_of_swavs_loss():
    scores = drawn(V, B, K)
    codes = torch.stack([swav.sinkhorn_knopp(one) for one in scores[:2]])
    torch.testing.assert_close(swav.swav_loss(scores.flatten(0, 1), B), over_pairs((scores / 0.1).log_softmax(-1), codes))


@pytest.mark.parametrize("paper", papers_with(DEMOS["multicrop"]))
def test_there_are_as_many_small_crops_as_asked_for(photo, out, paper):
    result = run(photo, out, paper, local=3)
    arrays = np.load(out / "pairs.npz")
    assert result.numbers["crops"] == len(arrays["boxes"]) == 5
    assert result.numbers["pairs"] == arrays["compared"].sum() == 8
    assert result.numbers["pixels_of_small_crops_in_large_ones"] == pytest.approx(3 * 96**2 / 224**2, abs=0.01)
    left, top, right, bottom = arrays["boxes"].T
    shares = (right - left) * (bottom - top)
    assert shares[2:].max() < 0.41
    assert (arrays["inside"].diagonal() == 1).all()


def test_a_cell_has_the_colour_of_its_share_and_none_where_nothing_is_compared(photo, out):
    run(photo, out, local=2)
    inside = np.load(out / "pairs.npz")["inside"]
    table = np.asarray(Image.open(out / "pairs.png").convert("RGB"))
    for i, row in enumerate(inside):
        for k, share in enumerate(row):
            corner = table[64 + i * 100 + 12, (k + 1) * 240 + 12]
            expected = (21, 23, 28) if i == k else colour_map()[round(255 * share)]
            np.testing.assert_array_equal(corner, expected)


def test_a_strip_works(picture, out, tmp_path):
    picture.resize((9, 400)).save(tmp_path / "strip.png")
    assert run(tmp_path / "strip.png", out).numbers["crops"] == 10
