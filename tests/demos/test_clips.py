"""Frames to clips: one size, long enough, panned where nothing moves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from demos.pieces import clips


def ramp(size: tuple[int, int]) -> Image.Image:
    """Red grows to the right, green downwards."""
    x, y = np.meshgrid(*(np.linspace(0, 255, n) for n in size))
    return Image.fromarray(np.stack([x, y, 0 * x], axis=-1).astype(np.uint8))


@pytest.mark.parametrize("size", [(8, 8), (120, 90), (90, 120), (2000, 40), (40, 2000)])
def test_any_picture_becomes_a_clip_of_whole_blocks(size):
    clip = clips.prepared([ramp(size)], 96, 8)
    short, long = sorted(clip.pixels.shape[2:])
    assert short == 96
    assert 96 <= long <= 2 * 96
    assert long % 8 == 0
    assert clip.pixels.shape[:2] == (3, clips.PAN_FRAMES)
    assert (clip.pixels.shape[3] > clip.pixels.shape[2]) == (size[0] > size[1])


def test_a_pan_goes_right_and_down_at_a_steady_pace_and_says_that_nothing_moves():
    clip = clips.prepared([ramp((300, 200))], 64)
    steps = clip.pixels[:2].mean(dim=(2, 3)).diff(dim=1)  # of the mean red and green
    assert (steps > 0).all()
    assert steps.std(dim=1).max() < 0.1 * steps.mean()
    assert clip.panned
    assert "nothing in it moves by itself" in clip.note


def test_a_real_clip_keeps_its_frames_and_a_short_one_is_slowed_down():
    frames = [Image.new("RGB", (60, 40), (i * 50, 0, 0)) for i in range(4)]
    clip = clips.prepared(frames, 40)
    assert clip.length == 4
    assert not clip.panned
    slow = clips.prepared(frames, 40, least=10)
    reds = (slow.pixels[0, :, 5, 5] * 255 / 50).round()
    assert reds.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]
    assert "4 frames, slowed down to 10" in slow.note


def test_a_pan_is_as_long_as_is_needed():
    assert clips.prepared([ramp((60, 40))], 40, least=33).length == 33


def test_pictures_and_pixels_are_the_same():
    clip = clips.prepared([ramp((60, 40)), ramp((60, 40)).rotate(180)], 40)
    back = np.stack([np.asarray(one) for one in clip.images()]) / 255
    assert np.allclose(torch.from_numpy(back).permute(3, 0, 1, 2).float(), clip.pixels, atol=1e-6)
