"""Neighbours and their vote: the nearest first, and judged like k-NN does."""

import numpy as np
import pytest
import torch
from PIL import Image

from demos.offers import papers_with
from demos.pieces import pets
from demos.shows import knn_vote
from demos.specs import DEMOS
from reference_impls.knn import weighted_knn
from tests.demos.losses import awkward, quick_encoder, run  # noqa: F401


@pytest.fixture
def known(tmp_path):
    """One of the gallery's own pictures, larger, as a file."""
    pets.pictures()[40].resize((240, 240), Image.Resampling.BICUBIC).save(tmp_path / "known.png")
    return tmp_path / "known.png"


def test_a_picture_of_the_gallery_finds_itself(known, out):
    _, found = run("neighbours", "vit", known, out)
    for name in ("random_initialisation", "plain_pixels"):
        assert found[name].argmax() == 40
        assert found[name][40] > 0.95
        assert len(found[name]) == 96


def test_neighbours_that_are_shown_come_in_order(photo, out):
    result, found = run("neighbours", "mae", photo, out, shown=3)
    best = np.sort(found["plain_pixels"])[::-1]
    assert (np.diff(best) <= 0).all()
    assert result.numbers["shared_with_pixels"][0].endswith("of 3")
    first = Image.open(out / "neighbours.png")
    run("neighbours", "mae", photo, out, shown=12)
    assert Image.open(out / "neighbours.png").height > first.height


def test_the_slider_does_not_read_again(photo, out, monkeypatch):
    from demos.shows import neighbours

    made, read = [], neighbours.compared
    monkeypatch.setattr(neighbours, "compared", lambda scene: made.append(1) or read(scene))
    for shown in (1, 5, 9):
        run("neighbours", "vit", photo, out, shown=shown)
    assert len(made) == 1


def test_every_transformer_of_the_attention_demo_has_neighbours():
    assert papers_with(DEMOS["neighbours"]) == papers_with(DEMOS["attention"])


def test_shares_of_the_vote_sum_to_one_and_follow_the_voters(photo, out):
    _, found = run("knn_vote", "knn", photo, out, k=7, temperature=0.2)
    assert len(found["voters"]) == 7
    np.testing.assert_allclose(found["weights"].sum(), 1, rtol=1e-5)
    assert (np.diff(found["cosines"]) <= 0).all()
    breeds = np.array(pets.LABELS)[found["voters"]]
    expected = [found["weights"][breeds == n].sum() for n in range(3)]
    np.testing.assert_allclose(found["shares"], expected, rtol=1e-4, atol=1e-6)


def test_a_low_temperature_leaves_the_word_to_the_nearest(known, out):
    cold, _ = run("knn_vote", "knn", known, out, temperature=0.01)
    warm, _ = run("knn_vote", "knn", known, out, temperature=1.0)
    assert cold.numbers["weight_of_the_nearest"] > 0.9 > 0.3 > warm.numbers["weight_of_the_nearest"]
    assert cold.numbers["winner"] == pets.breed(40)


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (5, 0.07), (20, 0.5), (95, 0.1)])
def test_the_gallery_is_judged_as_if_each_picture_were_left_out(k, temperature):
    from types import SimpleNamespace

    from reference_impls import knn

    torch.manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(96, 6), dim=1)
    labels, right = torch.tensor(pets.LABELS), 0
    for n in range(96):
        rest = torch.arange(96) != n
        scores = weighted_knn(vectors[rest], labels[rest], vectors[n : n + 1], k, temperature, 3)
        right += int(scores.argmax() == labels[n])
    found = knn_vote.judged(SimpleNamespace(module=knn), vectors, k, temperature)
    assert found == pytest.approx(right / 96)


def test_an_awkward_picture_is_voted_on_with_a_warning(awkward, out):  # noqa: F811
    result, _ = run("knn_vote", "knn", awkward, out)
    assert "even for a teapot" in next(a.caption for a in result.artifacts)
