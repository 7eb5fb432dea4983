"""Triplets demo: three kinds by the paper's own loss and mining."""

import numpy as np
import pytest
import torch

from demos.pieces import pets
from demos.shows import triplets
from reference_impls.triplet import triplet_loss
from tests.demos.losses import awkward, quick_encoder, run  # noqa: F401

PAPER = ("triplets", "triplet")


def test_every_negative_is_of_one_kind_and_easy_means_no_loss(photo, out):
    for margin in (0.05, 0.5, 2):
        result, found = run(*PAPER, photo, out, margin=margin)
        kinds = [result.numbers[kind] for kind in ("hard", "semi_hard", "easy")]
        assert sum(kinds) == len(pets.LABELS)
        assert kinds[0] == (found["far"] <= found["near"]).sum()
        assert kinds[2] == (found["far"] >= found["near"] + margin - 1e-6).sum()
        expected = np.maximum(found["near"] - found["far"] + margin, 0)
        np.testing.assert_allclose(found["losses"], expected, atol=1e-5)


def test_the_mean_loss_is_the_papers(photo, out):
    result, found = run(*PAPER, photo, out, margin=0.7)
    anchor = torch.zeros(96, 2)
    near = torch.tensor([[float(found["near"]) ** 0.5, 0]]).expand(96, 2)
    far = torch.stack([torch.from_numpy(found["far"]).sqrt(), torch.zeros(96)], 1)
    assert result.numbers["mean_loss"] == pytest.approx(triplet_loss(anchor, near, far, 0.7).item(), abs=1e-3)


def test_the_mined_negative_is_the_nearest_beyond_the_piece(photo, out):
    result, found = run(*PAPER, photo, out)
    beyond = found["far"][found["far"] > found["near"]]
    assert len(beyond)
    assert result.numbers["chosen_distance"] == pytest.approx(beyond.min(), abs=1e-3)


def test_a_larger_margin_leaves_fewer_easy_ones_and_reads_nothing_again(photo, out, monkeypatch):
    made, read = [], triplets.vectors
    monkeypatch.setattr(triplets, "vectors", lambda scene: made.append(1) or read(scene))
    easy = [run(*PAPER, photo, out, margin=m)[0].numbers["easy"] for m in (0.05, 1, 2)]
    assert easy == sorted(easy, reverse=True)
    assert easy[0] > easy[-1]
    assert len(made) == 1


def test_the_piece_is_drawn_from_the_seed(picture):
    square = picture.crop((0, 0, 90, 90))
    first, again, other = (triplets.piece(square, seed) for seed in (0, 0, 1))
    assert first.size == square.size
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_an_awkward_picture_works(awkward, out):  # noqa: F811
    assert "no" in run(*PAPER, awkward, out)[0].artifacts[0].caption
