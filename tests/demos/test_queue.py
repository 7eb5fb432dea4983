"""Queue demo: what the paper's queue holds, how old it is, and what it is asked."""

import numpy as np
import pytest
import torch

from demos.pieces import rolling
from demos.shows import queue
from reference_impls import moco
from tests.demos.losses import awkward, quick_encoder, run  # noqa: F401

PAPER = ("queue", "moco")


@pytest.fixture
def invented(monkeypatch):
    """Vectors of the gallery's views that nobody has to make."""
    drawn = torch.randn(2, 96, 192, generator=torch.Generator().manual_seed(0))
    drawn[1] = drawn[0] + 0.3 * drawn[1]
    monkeypatch.setattr(rolling, "views_of_gallery", lambda scene: drawn)


def test_it_fills_row_by_row_and_then_the_oldest_leave(photo, out, invented):
    _, found = run(*PAPER, photo, out, steps=11)
    assert found["history"].shape == (11, 8)
    for step, born in enumerate(found["history"]):
        newest = [step - (step - place) % 8 for place in range(8)]
        assert born.tolist() == [n if n >= 0 else rolling.EMPTY for n in newest]
    assert found["born"][::8].tolist() == [8, 9, 10, 3, 4, 5, 6, 7]
    assert len(set(found["holds"])) == 64


def test_before_it_is_full_random_keys_are_left(photo, out, invented):
    result, found = run(*PAPER, photo, out, steps=3)
    assert result.numbers["random_keys_left"] == 40
    assert result.numbers["oldest_key"] == "random"
    assert np.isnan(found["agreement"]).sum() == 40


def test_the_newest_keys_are_as_todays_encoder_makes_them_and_older_ones_less_so(photo, out, invented):
    """The key encoder moves before it is used, so nothing has happened since."""
    _, found = run(*PAPER, photo, out, steps=16)
    newest, oldest = found["born"] == 15, found["born"] == 8
    np.testing.assert_allclose(found["agreement"][newest], 1, atol=1e-5)
    assert found["agreement"][oldest].mean() < 0.9999


def test_the_question_is_the_papers_loss(photo, out, invented):
    result, found = run(*PAPER, photo, out, steps=9, temperature=0.5)
    arrays = (torch.from_numpy(found[name]) for name in ("query", "key", "queue"))
    q, k, keys = arrays
    loss = moco.moco_info_nce(q, k, keys.T, 0.5).item()
    assert result.numbers["loss_of_the_question"] == pytest.approx(loss, abs=1e-3)
    shares = torch.from_numpy(found["cosines"] / 0.5).softmax(0)
    assert -shares[0].log().item() == pytest.approx(loss, abs=1e-4)


def test_a_slow_encoder_lags_behind_and_an_immediate_one_does_not(photo, out, invented):
    lags = [run(*PAPER, photo, out, steps=12, momentum=m)[0].numbers["lag"] for m in (0, 0.5, 0.99)]
    assert lags == sorted(lags)
    assert lags[2] > 2 * lags[0]


def test_the_temperature_alone_does_not_train_again(photo, out, invented, monkeypatch):
    made, train = [], queue.trained
    monkeypatch.setattr(queue, "trained", lambda scene: made.append(1) or train(scene))
    for options in ({"temperature": 0.05}, {"temperature": 1.0}, {"momentum": 0.5}):
        run(*PAPER, photo, out, steps=2, **options)
    assert len(made) == 2


def test_the_gallery_is_read_once_for_all_pictures(photo, awkward, out, monkeypatch):  # noqa: F811
    read, views = [], rolling.read_views
    monkeypatch.setattr(rolling, "read_views", lambda scene, batch, seed: read.append(len(batch)) or views(scene, batch, seed))
    run(*PAPER, photo, out, steps=1)
    run(*PAPER, awkward, out, steps=1)
    assert sorted(read) == [1, 1, 96]


def test_without_training_there_is_a_question_but_no_curve(photo, out, invented):
    result, _ = run(*PAPER, photo, out, steps=0)
    assert [a.name for a in result.artifacts] == ["queue", "question", "queue", "params"]


def test_partial_pictures_show_the_filling(photo, out, invented):
    seen = []
    run(*PAPER, photo, out, seen.append, steps=6)
    partial = [p.artifact.file for p in seen if p.artifact]
    assert len(partial) == 6
    empty, full = (queue.Image.open(out / f) for f in (partial[0], partial[-1]))
    assert np.asarray(full.convert("L")).mean() > np.asarray(empty.convert("L")).mean()
