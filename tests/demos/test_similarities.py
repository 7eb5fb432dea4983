"""Similarities demo: the table is the loss's own."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from demos.drawing import matrices
from demos.pieces import contrast
from demos.pieces.questions import Questions
from demos.shows import similarities
from reference_impls import moco_v3, nnclr, simclr
from tests.demos.losses import awkward, quick_encoder, run  # noqa: F401

PAPERS = ["simclr", "moco_v3", "nnclr", "can"]


@pytest.fixture(autouse=True)
def few_lessons(monkeypatch):
    """A quarter of the views for the map to learn from."""
    monkeypatch.setattr(contrast, "LESSONS", 2)


def two(rows=6, width=8):
    torch.manual_seed(0)
    return torch.randn(rows, width), torch.randn(rows, width)


@pytest.mark.parametrize("paper", PAPERS)
def test_rows_sum_to_one_and_losses_are_of_the_right_cell(photo, out, paper):
    result, table = run("similarities", paper, photo, out)
    np.testing.assert_allclose(table["shares"].sum(1), 1, rtol=1e-5)
    own = table["shares"][np.arange(len(table["right"])), table["right"]]
    np.testing.assert_allclose(table["losses"], -np.log(own), rtol=1e-5)
    assert result.numbers["rows"] == (12 if paper in ("simclr", "can") else 6)


def test_the_mean_of_the_rows_is_simclrs_loss(photo, out):
    result, table = run("similarities", "simclr", photo, out, temperature=0.3)
    assert table["losses"].mean() == pytest.approx(result.numbers["loss_of_the_paper"], abs=1e-3)
    np.testing.assert_array_equal(table["right"], (np.arange(12) + 6) % 12)
    assert np.isneginf(table["cosines"].diagonal()).all()


def test_the_questions_are_those_that_the_loss_asks():
    z1, z2 = two()
    with Questions() as questions:
        loss = moco_v3.moco_v3_loss(z1, z2, z1, z2, 0.2)
    found = sum(F.cross_entropy(logits, right) for logits, right in questions.asked)
    torch.testing.assert_close(2 * 0.2 * found, loss)
    assert len(questions.asked) == 2


def test_nothing_is_kept_when_nobody_listens():
    z1, z2 = two()
    with Questions() as questions:
        pass
    simclr.nt_xent_loss(z1, z2)
    assert questions.asked == []


def test_the_neighbours_of_nnclr_are_its_rows():
    z1, z2 = two()
    pool = F.normalize(torch.randn(20, 8), dim=1)
    with Questions() as questions:
        loss = contrast.paper_loss(nnclr, z1, z2, pool, 0.1)
    near = pool[nnclr.nearest_neighbours(z1, pool)]
    torch.testing.assert_close(questions.asked[0][0] * 0.1, near @ F.normalize(z2, dim=1).T)
    torch.testing.assert_close(loss, nnclr.nnclr_loss(z1, z2, z1, z2, pool, 0.1))


def test_temperature_and_features_start_from_the_stored_views(photo, out, monkeypatch):
    made, read = [], contrast.two_views
    monkeypatch.setattr(contrast, "two_views", lambda scene: made.append(1) or read(scene))
    _, hot = run("similarities", "simclr", photo, out, temperature=1.0)
    hot = hot["shares"]
    _, cold = run("similarities", "simclr", photo, out, temperature=0.05)
    cold = cold["shares"]
    _, pixels = run("similarities", "simclr", photo, out, features="pixels")
    assert len(made) == 1
    assert cold.max(1).mean() > hot.max(1).mean()
    assert not np.allclose(pixels["cosines"][0, 1:], 0)


def test_the_trained_map_finds_more_partners_than_the_encoder_alone(photo, out):
    learnt, _ = run("similarities", "simclr", photo, out)
    alone, _ = run("similarities", "simclr", photo, out, features="encoder")
    assert learnt.numbers["loss_of_the_paper"] < alone.numbers["loss_of_the_paper"]


def test_another_seed_is_another_batch(photo, out):
    first = run("similarities", "simclr", photo, out)[1]["cosines"]
    assert not np.allclose(first[0, 1:], run("similarities", "simclr", photo, out, seed=1)[1]["cosines"][0, 1:])


def test_positives_are_framed_green(photo, out):
    run("similarities", "moco_v3", photo, out)
    pixels = np.asarray(Image.open(out / "shares.png").convert("RGB")).astype(int)
    green = (pixels == Image.new("RGB", (1, 1), matrices.FRAME).getpixel((0, 0))).all(-1)
    rows, columns = (np.flatnonzero(green.any(axis)) for axis in (1, 0))
    assert rows[-1] - rows[0] == columns[-1] - columns[0] > 5 * matrices.CELL
    middle = (rows[0] + rows[-1]) // 2
    assert not green[rows[0] : rows[0] + matrices.CELL, middle:].any()


def test_an_awkward_picture_works_and_says_what_compared(awkward, out):  # noqa: F811
    result, _ = run("similarities", "simclr", awkward, out)
    captions = {a.name: a.caption for a in result.artifacts}
    assert "trained for 200 steps" in captions["row"]
    assert "CC BY-SA 4.0" in captions["shares"]
    assert similarities.ordinal(1) == "first"
