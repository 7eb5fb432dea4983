"""HiLo's clock: what is timed, what is counted, what is said; no time is promised."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.shows import hilo_speed
from reference_impls.hilo import Config, HiLo


@pytest.fixture
def small(monkeypatch):
    """Two small maps, so that a test is short."""
    monkeypatch.setattr(hilo_speed, "SIDES", (8, 16))


def run(out, report=lambda progress: None, **options):
    return runner.run("hilo_speed", "hilo", [], options, out, report)


def test_work_is_the_modules_own_count(small, out):
    numbers = run(out, window="4", alpha=0.5).numbers
    config = Config()
    plain, ours = (HiLo(config.dim, config.num_heads, s, 0.5) for s in (1, 4))
    assert numbers["tokens"] == [64, 256]
    assert numbers["times_less_work"] == [round(plain.flops(n, n) / ours.flops(n, n), 2) for n in (8, 16)]


def test_what_is_called_faster_is_the_ratio_of_the_times(small, out):
    numbers = run(out).numbers
    for plain, ours, times in zip(numbers["plain_ms"], numbers["hilo_ms"], numbers["times_as_fast"], strict=True):
        assert ours > 0
        assert times == pytest.approx(plain / ours, rel=0.05)
    table = json.loads((out / "table.json").read_text())
    assert [row[1] for row in table["rows"]] == ["64", "256"]
    assert len(table["rows"][0]) == len(table["columns"])


def test_the_fastest_pass_counts_and_the_first_does_not(monkeypatch):
    clock = iter([0, 1, 10, 15, 20, 22, 30, 34, 40, 44, 50, 54])     # passes of 1, 5, 2, 4, 4 and 4 seconds
    monkeypatch.setattr(hilo_speed.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(hilo_speed, "ENOUGH", 99)
    assert hilo_speed.fastest(lambda x, h, w: None, torch.zeros(1), 1, Alive()) == 2


def test_long_passes_are_not_repeated(monkeypatch):
    clock = iter([0, 1, 10, 13])
    monkeypatch.setattr(hilo_speed.time, "perf_counter", lambda: next(clock))
    assert hilo_speed.fastest(lambda x, h, w: None, torch.zeros(1), 1, Alive()) == 3


class Alive:
    """A recorder that only counts."""

    calls = 0

    def alive(self):
        self.calls += 1


def test_a_cancel_ends_the_timing(small, out):
    def report(progress):
        if progress.step == 1:
            raise runner.Cancelled

    with pytest.raises(runner.Cancelled):
        run(out, report)
    assert not (out / "params.json").exists()


def test_the_plot_goes_up_and_names_the_layer(small, out):
    result = run(out, alpha=0.5)
    assert "HiLo, 6 high and 6 low heads, window 2" in result.artifacts[0].alt
    assert result.weights["name"] == "no weights"
    drawn = np.asarray(Image.open(out / "work.png").convert("RGB")).astype(int)
    orange = (np.abs(drawn - [247, 161, 62]).sum(-1) < 40)[60:]     # the curve, not its name above
    y, x = np.nonzero(orange)
    assert y[x.argmin()] > y[x.argmax()] + 50
