"""Drawing: colours, masks, sheets, stamps, curves."""

import numpy as np
import pytest
from PIL import Image

from demos.drawing import colour, curves, pictures


def test_the_colour_map_climbs_in_equal_steps_and_never_darkens():
    lab = colour.to_oklab(colour.colour_map() / 255)
    assert colour.colour_map().shape == (256, 3)
    assert (np.diff(lab[::8, 0]) > 0).all()
    steps = np.linalg.norm(np.diff(lab[::8], axis=0), axis=1)
    assert steps.max() < 1.25 * steps.min()


def test_oklab_there_and_back():
    srgb = np.random.default_rng(0).random((20, 3))
    np.testing.assert_allclose(colour.from_oklab(colour.to_oklab(srgb)), srgb, atol=1e-6)
    np.testing.assert_allclose(colour.to_oklab(np.ones(3)), [1, 0, 0], atol=1e-6)


def test_a_heat_map_shows_each_patch_as_a_square():
    drawn = np.asarray(pictures.heat_map(np.array([[0.1, 0.2], [0.3, 0.5]]), (8, 8), smooth=False))
    table = colour.colour_map()
    assert (drawn[:4, :4] == table[0]).all()
    assert (drawn[4:, 4:] == table[255]).all()
    assert (drawn[:4, 4:] == table[64]).all()


def test_a_constant_map_is_dark_not_an_error():
    drawn = np.asarray(pictures.heat_map(np.full((2, 2), 0.25), (4, 4), smooth=True))
    assert (drawn == colour.colour_map()[0]).all()


@pytest.mark.parametrize("opacity", [0.0, 1.0])
def test_opacity_goes_from_picture_alone_to_map_alone(picture, opacity):
    values = np.arange(12.0).reshape(3, 4)
    drawn = pictures.overlay(picture, values, opacity)
    alone = pictures.heat_map(values, picture.size, smooth=True) if opacity else picture
    assert drawn.tobytes() == alone.tobytes()


def test_the_spotlight_leaves_kept_patches_untouched(picture):
    kept = np.zeros((3, 4), dtype=bool)
    kept[1, 2] = True
    drawn, original = np.asarray(pictures.spotlight(picture, kept)), np.asarray(picture)
    assert (drawn[30:60, 60:90] == original[30:60, 60:90]).all()
    assert drawn[:30].max() < 60


def test_a_sheet_holds_every_picture_and_label(picture):
    sheet = pictures.sheet([picture] * 5, list("abcde"), columns=3)
    w, h = picture.size
    assert sheet.width == 3 * (w + pictures.PADDING) + pictures.PADDING
    assert np.asarray(sheet)[pictures.PADDING : pictures.PADDING + h, pictures.PADDING : pictures.PADDING + w].tobytes() == picture.tobytes()


@pytest.mark.parametrize("width", [16, 60, 128, 640, 2000])
def test_the_stamp_is_added_below_and_fits_any_width(width):
    plain = Image.new("RGB", (width, 50), "green")
    stamped = pictures.stamped(plain)
    assert stamped.crop((0, 0, width, 50)).tobytes() == plain.tobytes()
    band = np.asarray(stamped)[50:]
    written = band.min(-1) > 200
    assert written.any()
    assert not written[:, [0, 1, -2, -1]].any()


def test_curves_draw_each_series_and_survive_a_single_point():
    drawn = curves.curves({"loss": [(0, 3.0), (1, 2.0), (2, 1.5)], "spread": [(0, 0.1)], "none": []})
    assert drawn.size == (720, 600)
    assert len(drawn.getcolors(maxcolors=10**6)) > 10


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (0.012, 0.99), (-3.0, 7.2), (2.0, 2.0), (0.0, 0.0), (1e-7, 3e-7), (980.0, 1020.0)]
)
def test_ticks_are_few_round_and_enclose_the_curve(low, high):
    ticks = curves.round_ticks(low, high)
    assert ticks[0] <= low
    assert ticks[-1] >= high
    assert ticks[0] < ticks[-1]
    assert 2 <= len(ticks) <= 8


@pytest.mark.parametrize(("ends", "ticks"), [((0, 99), [0, 20, 40, 60, 80]), ((0, 17), [0, 5, 10, 15]), ((3, 4), [3, 4])])
def test_steps_are_told_in_round_numbers_and_none_that_was_not_taken(ends, ticks):
    assert curves.step_ticks(*ends) == ticks


def test_long_labels_get_smaller_letters_until_they_fit(picture):
    tall, word = picture.resize((90, 160)), "a label that is too long"
    small = np.asarray(pictures.sheet([tall, tall], [word, word], 2)).max(-1)
    below = small[pictures.PADDING + 160 :] > 60                # the letters' own rows
    middle = pictures.PADDING + 90                              # between the two, and the edges
    assert not below[:, [1, middle + 6, -2]].any()
