"""Plots: round ticks that enclose, curves where they belong, names that fit."""

import numpy as np
import pytest

from demos.drawing.curves import SERIES
from demos.drawing.plots import Axis, plot


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (64, 2304, [50, 100, 200, 500, 1000, 2000, 5000]),
        (1, 600, [1, 10, 100, 1000]),
        (0.03, 0.03, [0.02, 0.05]),
        (3, 3e-7 * 1e7, [2, 5]),
        (1, 10, [1, 2, 5, 10]),
    ],
)
def test_logarithmic_ticks_are_round_and_enclose_the_values(low, high, ticks):
    assert Axis("ms", log=True).ticks(np.array([low, high])) == ticks


def test_equal_factors_are_equally_far_apart():
    shares = Axis("", log=True).shares(np.array([1, 10, 100.0]), [1, 10, 100])
    np.testing.assert_allclose(shares, [0, 0.5, 1])


def colour_places(picture, colour):
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    y, x = np.nonzero(np.abs(np.asarray(picture).astype(int) - rgb).sum(-1) < 60)
    return y, x


def test_a_higher_curve_is_drawn_higher():
    drawn = plot({"a": [(0, 1), (1, 1)], "b": [(0, 2), (1, 2)]}, Axis("x"), Axis("y"))
    tops = [np.median(colour_places(drawn, colour)[0]) for colour in SERIES[:2]]
    assert tops[0] > tops[1] + 100


def test_one_point_is_a_dot_at_its_place():
    drawn = plot({"a": [(0.5, 5)], "b": [(0, 0), (1, 10)]}, Axis("x"), Axis("y"))
    y, x = colour_places(drawn, SERIES[0])
    inside = y > 60
    assert abs(x[inside].mean() - (100 + 720) / 2) < 3


def test_long_names_take_another_line():
    short, long = (
        plot({name * 4: [(0, 0), (1, 1)], name * 5: [(0, 1), (1, 0)]}, Axis("x"), Axis("y"))
        for name in ("a", "a long name ")
    )
    rows = [set((colour_places(drawn, SERIES[1])[0] < 60).nonzero()[0]) for drawn in (short, long)]
    first = [colour_places(drawn, SERIES[1])[0].min() for drawn in (short, long)]
    assert first[1] > first[0] + 10
    assert rows[0]
