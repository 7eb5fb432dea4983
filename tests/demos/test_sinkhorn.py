"""Sinkhorn demo: each turn is the paper's function."""

import numpy as np
import pytest
import torch
from PIL import Image

from demos.shows import sinkhorn
from reference_impls import swav
from tests.demos.losses import awkward, quick_encoder, run  # noqa: F401


def test_every_count_of_turns_is_the_papers_function(photo, out):
    _, found = run("sinkhorn", "swav", photo, out, epsilon=0.1)
    scores = torch.from_numpy(found["scores"])
    np.testing.assert_allclose(found["codes"][0], (scores / 0.1).softmax(1), rtol=1e-5)
    for turns in range(1, 11):
        expected = swav.sinkhorn_knopp(scores, 0.1, turns)
        np.testing.assert_array_equal(found["codes"][turns], expected)


def test_rows_sum_to_one_and_columns_become_even(photo, out):
    result, found = run("sinkhorn", "swav", photo, out, iterations=10, epsilon=0.2)
    np.testing.assert_allclose(found["codes"].sum(2), 1, rtol=1e-5)
    off = np.abs(found["codes"].sum(1) - sinkhorn.EACH).max(1)
    assert (np.diff(off) <= 1e-6).all()
    assert off[-1] < 0.1 * off[0]
    np.testing.assert_allclose(result.numbers["column_sums"], 2, atol=0.2)


def test_without_turns_the_crops_crowd(photo, out):
    none, _ = run("sinkhorn", "swav", photo, out, iterations=0, epsilon=0.1)
    some, _ = run("sinkhorn", "swav", photo, out, iterations=10, epsilon=0.1)
    assert none.numbers["prototypes_in_use"] < some.numbers["prototypes_in_use"] == 6
    assert none.numbers["prototypes_in_use"] == some.numbers["prototypes_in_use_before"]
    assert "without any turn" in next(a.caption for a in none.artifacts)


@pytest.mark.parametrize("paper", ["dinov2", "rho_video_ssl"])
def test_papers_that_took_it_over_show_it_too(photo, out, paper):
    assert run("sinkhorn", paper, photo, out)[0].numbers["even_share"] == 2


def test_sliders_start_from_the_stored_crops(photo, out, monkeypatch):
    made, read = [], sinkhorn.crops
    monkeypatch.setattr(sinkhorn, "crops", lambda scene: made.append(1) or read(scene))
    for options in ({"iterations": 1}, {"epsilon": 0.5}, {"seed": 1}):
        run("sinkhorn", "swav", photo, out, **options)
    assert len(made) == 2


def test_an_awkward_picture_works_and_the_pictures_are_narrow_enough_for_a_phone(awkward, out):  # noqa: F811
    run("sinkhorn", "swav", awkward, out)
    for name in ("codes", "loads", "turns", "evening"):
        assert Image.open(out / f"{name}.png").width <= 800
