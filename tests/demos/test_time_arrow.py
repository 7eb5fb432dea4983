"""Time arrow demo: motion points where the square goes, and backwards the other way."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from demos import runner
from tests.demos.filmed import film

PAPER = "arrow_of_time"


def run(paths, out, **options):
    return runner.run("time_arrow", PAPER, paths, options, out)


def test_motion_goes_with_the_square_and_backwards_against_it(tmp_path, out):
    result = run([film(tmp_path)], out, camera=False)
    flow = np.load(out / "flow.npz")
    speed = np.hypot(*flow["forwards"])
    u, v = (one[speed > 0.6 * speed.max()] for one in flow["forwards"])
    assert (u > 0).mean() > 0.95
    assert (v > 0).mean() > 0.8
    assert result.numbers["largest_error_of_reversal"] < 1e-5
    assert result.numbers["panned"] == "no"


def test_camera_motion_is_taken_away_and_no_idea_costs_log_two(photo, out):
    with_camera = run([photo], out, camera=False)
    flow = np.load(out / "flow.npz")["forwards"]
    without = run([photo], out)
    still = np.load(out / "flow.npz")["forwards"].astype(float)
    assert abs(still.mean((2, 3))).max() < 1e-3 < abs(flow.astype(float).mean((2, 3))).max()
    assert without.numbers["loss_of_no_idea"] == pytest.approx(np.log(2), abs=1e-4)
    assert with_camera.numbers["mean_speed_px"] == with_camera.numbers["mean_speed_shown_px"]
    assert "nothing in it moves by itself" in without.artifacts[0].caption


def test_a_mirror_turns_left_and_right_alone(tmp_path, out):
    path = film(tmp_path)
    run([path], out)
    plain = np.load(out / "flow.npz")["forwards"]
    run([path], out, mirror=True)
    mirrored = np.load(out / "flow.npz")["forwards"]
    assert np.array_equal(mirrored, plain[..., ::-1] * np.array([-1, 1], np.float16)[:, None, None, None])


def test_the_table_says_what_each_answer_costs(tmp_path, out):
    run([film(tmp_path)], out)
    rows = json.loads((out / "asked.json").read_text())["rows"]
    assert rows[0][1:] == ["95%", "0.049", "3.049"]
    assert rows[2][1:] == ["5%", "3.049", "0.049"]


def test_backwards_has_the_frames_in_the_other_order(tmp_path, out):
    run([film(tmp_path)], out)
    with Image.open(out / "arrow.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB"), dtype=int)
    height = pixels.shape[0] // 4
    forwards, backwards = pixels[: height - 40, 14:250], pixels[2 * height : 3 * height - 40, -248:-12]
    bright = [np.argmax(one[..., 0].max(0) > 235) for one in (forwards, backwards)]
    assert abs(bright[0] - bright[1]) < 12  # the first forwards is the last backwards


@pytest.mark.parametrize("size", [(8, 8), (600, 20), (20, 600)])
def test_awkward_pictures_are_panned(tmp_path, out, size):
    Image.new("L", size, 90).save(tmp_path / "a.png")
    assert run([tmp_path / "a.png"], out).numbers["panned"] == "yes"
