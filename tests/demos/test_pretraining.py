"""Pretraining demo: it learns, it repeats, and it stops when told."""

import time

import numpy as np
import pytest
import torch
from torch import nn

from demos import runner
from demos.listening import listening
from demos.offers import papers_with
from demos.pieces import features, miniature
from demos.shows import pretraining
from demos.specs import DEMOS

PRETRAINING = DEMOS["pretraining"]


def run(photo, out, paper="mae", report=lambda progress: None, **options):
    return runner.run("pretraining", paper, [photo], {"batch": 4, **options}, out, report)


def test_the_loss_falls_and_arrives_live(photo, out):
    seen = []
    result = run(photo, out, report=seen.append, steps=20)
    live = [point for p in seen if p.series for point in p.series["loss"]]
    assert [step for step, _ in live] == list(range(20))
    assert result.numbers["steps"] == 20
    assert result.numbers["loss_last"] < 0.8 * result.numbers["loss_first"]
    assert result.numbers["stopped_early"] == "no"
    assert [a.name for a in result.artifacts] == ["features", "curves", "training", "params"]
    assert [p.artifact.name for p in seen if p.artifact] == [f"features_{s:04}" for s in (4, 8, 12, 16)]
    assert "random weights" in result.artifacts[0].caption


def test_the_seed_repeats_a_run(photo, out):
    curves = []
    for seed in (1, 1, 2):
        run(photo, out, steps=10, seed=seed)
        curves.append(np.load(out / "training.npz")["curve_loss"])
    np.testing.assert_array_equal(curves[0], curves[1])
    assert (curves[0] != curves[2]).any()


@pytest.mark.parametrize("paper", papers_with(PRETRAINING))
def test_every_method_trains_by_its_own_functions(photo, out, paper):
    result = run(photo, out, paper=paper, steps=10)
    assert result.numbers["steps"] == 10
    assert np.isfinite(result.numbers["loss_last"])


def test_reports_come_often_even_in_long_steps_and_cancel_stops(photo, out):
    """CPU time between two reports, so that a busy machine does not fail the test."""
    times = []

    def report(progress):
        times.append(time.process_time())
        if progress.step == 1:
            raise runner.Cancelled

    with pytest.raises(runner.Cancelled):
        run(photo, out, report=report, steps=10, batch=64)
    assert max(np.diff(times)) < 1
    assert not (out / "params.json").exists()


def test_a_cancel_in_the_middle_of_the_backward_pass_ends_the_step():
    model, calls = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1)), []

    def alive():
        calls.append(torch.is_grad_enabled())
        if len(calls) > 4:
            raise runner.Cancelled

    with listening(model, alive):
        loss = model(torch.randn(2, 3)).sum()
        assert len(calls) == 4
        with pytest.raises(runner.Cancelled):
            loss.backward()
    assert all(p.grad is None for p in model[0].parameters())
    model(torch.randn(2, 3))
    assert len(calls) == 5


def test_near_the_time_limit_training_ends_with_what_there_is(photo, out, monkeypatch):
    monkeypatch.setattr(pretraining, "PATIENCE", 0)
    result = run(photo, out, steps=50)
    assert result.numbers["steps"] == 1
    assert str(PRETRAINING.seconds) in result.numbers["stopped_early"]
    assert "stopped early" in result.artifacts[0].caption


def test_a_broken_loss_ends_with_the_remedy(photo, out, monkeypatch):
    from reference_impls import mae

    def broken(model, batch, step, steps):
        loss = model(batch)[0] * float("nan")
        return loss, {"loss": loss.item()}

    monkeypatch.setattr(mae, "training_step", broken)
    result = run(photo, out, steps=10)
    assert "smaller learning rate" in result.numbers["stopped_early"]
    assert result.numbers["loss_last"] == "none"


def test_training_leaves_the_callers_randomness_alone(photo, out):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    run(photo, out, steps=10)
    assert torch.rand(1) == expected


def test_the_schedule_warms_up_and_decays():
    rates = [miniature.scheduled(1.0, s, 100) for s in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.02


def test_principal_colours_do_not_depend_on_the_sign_of_the_axes():
    torch.manual_seed(0)
    tokens = torch.randn(40, 6) * torch.tensor([5.0, 3, 2, 0.1, 0.1, 0.1])
    colours = features.principal_colours(tokens)
    assert colours.shape == (40, 3)
    assert 0 <= colours.min() < colours.max() <= 1
    order = torch.randperm(40)
    torch.testing.assert_close(features.principal_colours(tokens[order]), colours[order], atol=1e-4, rtol=1e-4)
