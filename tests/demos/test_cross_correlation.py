"""Cross-correlation demo: the paper's matrix, its two sums, and a training that stops."""

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.drawing import matrices
from demos.shows import cross_correlation
from reference_impls import barlow_twins
from tests.demos.losses import awkward, quick_encoder, run  # noqa: F401

PAPER = ("cross_correlation", "barlow_twins")


@pytest.fixture(autouse=True)
def few_pairs(monkeypatch):
    """Fewer views to make."""
    monkeypatch.setattr(cross_correlation, "PAIRS", 24)
    monkeypatch.setattr(cross_correlation, "KEPT", 8)


def test_the_matrix_turns_into_the_identity_and_the_numbers_are_the_papers_loss(photo, out):
    result, found = run(*PAPER, photo, out, lambd=0.25)
    before, after = np.diag(found["before"]), np.diag(found["after"])
    assert before.mean() < 0.6 < 0.9 < after.mean()
    loss = barlow_twins.redundancy_reduction(torch.from_numpy(found["after"]), 0.25)
    assert result.numbers["loss"] == pytest.approx(loss.item(), abs=1e-3)
    assert result.numbers["on_diagonal"] == pytest.approx(np.square(1 - after).sum(), abs=1e-3)
    rest = found["after"] - np.diag(after)
    assert result.numbers["off_diagonal"] == pytest.approx(np.square(rest).sum(), abs=1e-3)


def test_without_lambda_features_may_repeat_each_other(photo, out):
    free, _ = run(*PAPER, photo, out, lambd=0.0, steps=100)
    held, _ = run(*PAPER, photo, out, lambd=0.5, steps=100)
    assert free.numbers["off_diagonal"] > 3 * held.numbers["off_diagonal"]


def test_crops_kept_back_are_not_learnt_from(photo, out, monkeypatch):
    """Other pictures in their place leave the trained matrix as it is."""
    _, first = run(*PAPER, photo, out, steps=20)
    read = cross_correlation.pairs

    def other(scene):
        found = read(scene)
        found["views"][:, cross_correlation.PAIRS :] = 0.5 * found["views"][:, : cross_correlation.KEPT]
        return found

    monkeypatch.setattr(cross_correlation, "pairs", other)
    monkeypatch.setenv("KB_STAGE_DIR", str(out / "stages"))
    _, second = run(*PAPER, photo, out, steps=20)
    np.testing.assert_array_equal(first["after"], second["after"])
    assert not np.allclose(first["unseen"], second["unseen"])


def test_progress_brings_curves_and_partial_pictures(photo, out):
    seen = []
    run(*PAPER, photo, out, seen.append, steps=40)
    steps = [p.step for p in seen if p.series]
    assert steps == list(range(0, 40, 4))
    assert {name for p in seen if p.series for name in p.series} == {"on the diagonal", "off the diagonal"}
    partial = [p.artifact.file for p in seen if p.artifact]
    assert len(partial) >= 5
    assert all((out / file).is_file() for file in partial)


def test_it_can_be_stopped_in_the_middle(photo, out):
    def stop(progress):
        if progress.step == 8:
            raise runner.Cancelled

    with pytest.raises(runner.Cancelled):
        run(*PAPER, photo, out, stop)
    assert not (out / "before_after.png").exists()


def test_the_diagonal_is_orange_at_the_end(photo, out):
    run(*PAPER, photo, out)
    pixels = Image.open(out / "matrix.png").convert("RGB")
    first = matrices.PADDING + 26 + matrices.CELL + matrices.GAP
    for n in (0, 11):
        at = first + n * matrices.CELL + 12
        red, _, blue = pixels.getpixel((at, at))
        assert red > 200 > 100 > blue


def test_an_awkward_picture_gives_the_same_numbers_twice(awkward, out):  # noqa: F811
    first, _ = run(*PAPER, awkward, out, steps=20)
    assert run(*PAPER, awkward, out, steps=20)[0].numbers == first.numbers
