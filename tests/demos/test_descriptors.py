"""Overlapping patches on the pixels they cover, and work that is done beside the reports."""

import threading

import numpy as np
import pytest
from PIL import Image

from demos.intake import images
from demos.listening import beside
from demos.pieces.descriptors import View
from reference_impls.deep_vit_features import build, grid_of, patch_centers


def view(width, height, step):
    return View(images.fit(Image.new("RGB", (width, height)), 64, 8), 8, step)


@pytest.mark.parametrize("step", [2, 4, 8])
@pytest.mark.parametrize("size", [(120, 90), (90, 120), (8, 8), (400, 20)])
def test_the_grid_is_the_papers_and_each_patch_lies_about_its_own_middle(size, step):
    import torch

    one = view(*size, step)
    rows, columns = one.grid
    w, h = one.fitted.image.size
    assert one.grid == grid_of(build(), torch.zeros(1, 3, h, w), step)
    values = np.arange(rows * columns).reshape(one.grid)
    spread = one.spread(values)
    assert spread.shape == (h, w)
    centres = patch_centers(torch.arange(rows * columns), one.grid, 8, step)
    assert spread[tuple(centres.T)].tolist() == list(range(rows * columns))


def test_colours_are_spread_like_numbers():
    one = view(120, 90, 4)
    colours = np.random.default_rng(0).random((*one.grid, 3))
    spread = one.spread(colours)
    for channel in range(3):
        np.testing.assert_array_equal(spread[..., channel], one.spread(colours[..., channel]))


def test_work_beside_the_reports_gives_its_result_and_its_error():
    assert beside(lambda: 7, lambda: None) == 7
    with pytest.raises(ZeroDivisionError):
        beside(lambda: 1 / 0, lambda: None)


def test_a_report_can_end_work_that_cannot_be_heard():
    gate = threading.Event()

    def cancelled():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        beside(lambda: gate.wait(60), cancelled)
    gate.set()
