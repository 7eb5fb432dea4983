"""Matrices, bars and strips, looked at pixel by pixel."""

import numpy as np
import pytest
from PIL import Image

from demos.drawing import bars, matrices, strips
from demos.drawing.bars import Bar
from demos.drawing.curves import SERIES
from demos.drawing.matrices import Matrix
from demos.pieces import pets


def rgb(colour):
    return Image.new("RGB", (1, 1), colour).getpixel((0, 0))


def centre_of(row, column, cell):
    """Beside the middle of a cell, of a matrix without titles."""
    first = matrices.PADDING + cell + matrices.GAP
    return (first + column * cell + cell // 2, first + row * cell + cell // 2)


def test_small_is_dark_and_large_is_pale():
    low, middle, high = matrices.colours(np.array([0, 0.5, 1]), 0, 1).astype(int).sum(-1)
    assert low < middle < high


def test_signs_are_told_apart_and_zero_is_neither():
    below, zero, above = matrices.colours(np.array([-1.0, 0, 1]), -1, 1)
    assert tuple(below) == rgb(matrices.BELOW)
    assert tuple(zero) == rgb(matrices.MIDDLE)
    assert tuple(above) == rgb(matrices.ABOVE)


def test_each_cell_has_the_colour_of_its_value_and_frames_stand_where_asked():
    values = np.array([[0.0, 1.0, 0.2], [0.5, 0.3, 0.9]])
    framed, empty = values == 1.0, values == 0.3
    names = ["a", "b", "c"]
    drawn = matrices.drawn(Matrix(values, names[:2], names, framed=framed, empty=empty), 40, numbers=False)
    for at, value in np.ndenumerate(values):
        if not empty[at]:
            assert drawn.getpixel(centre_of(*at, 40)) == tuple(matrices.colours(np.array(value), 0, 1))
    x, y = centre_of(0, 1, 40)
    assert drawn.getpixel((x - 20, y)) == rgb(matrices.FRAME)
    x, y = centre_of(1, 1, 40)
    assert drawn.getpixel((x + 10, y + 5)) == rgb(matrices.GROUND)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.07, ".07"), (-0.3, "-.30"), (1.0, "1"), (7.0, "7"), (1.25, "1.2"), (12.3, "12"), (-0.001, ".00"), (0.999, "1.0"), (0.999999, "1")],
)
def test_numbers_are_short(value, text):
    assert matrices.short(value) == text


def test_a_bar_is_as_long_as_its_share_of_the_full_one():
    drawn = np.asarray(bars.drawn([Bar(None, "a", (0.25,)), Bar(None, "b", (1.0,))], ("x",), 1.0))
    orange = (drawn == rgb(SERIES[0])).all(-1).sum(1)
    short, full = sorted(set(orange[orange > 20]))
    assert short == pytest.approx(full / 4, abs=2)


def test_two_series_are_named_above():
    one = bars.drawn([Bar(pets.pictures()[0], "a", (0.5,))], ("x",), 1.0)
    two = bars.drawn([Bar(pets.pictures()[0], "a", (0.5, 0.2))], ("x", "y"), 1.0)
    assert two.height > one.height
    assert (np.asarray(two) == rgb(SERIES[1])).all(-1).any()
    assert not (np.asarray(one) == rgb(SERIES[1])).all(-1).any()


def test_under_each_neighbour_stands_the_colour_of_its_breed():
    drawn = np.asarray(strips.drawn([strips.Strip("t", [0, 40, 90], ["a", "b", "c"])]))
    line = drawn[56 + 40 + strips.THUMB + 3]
    for n in range(3):
        x = strips.PADDING + n * (strips.THUMB + strips.PADDING) + 50
        assert tuple(line[x]) == rgb(SERIES[n])
