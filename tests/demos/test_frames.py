"""Clips in: how many frames, how large, and what is said of those that cannot be read."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demos import stamps
from demos.intake import frames, packing
from demos.intake.images import ImageError
from demos.intake.sandbox import SANDBOX
from demos.specs import CLIP_FRAMES, CLIP_SIDE

ABOUT = {
    "demo": "time_arrow", "paper": "arrow_of_time", "options": {},
    "weights": {"name": "none"}, "code_version": "c0de",
}


def greys(n: int, size: tuple[int, int] = (48, 32)) -> list[Image.Image]:
    """Frames of one grey each, darkest first."""
    return [Image.new("RGB", size, (3 * i + 10,) * 3) for i in range(n)]


def saved(folder: Path, name: str, made: list[Image.Image], **options: object) -> Path:
    made[0].save(folder / name, save_all=True, append_images=made[1:], **options)
    return folder / name


def shades(read: list[Image.Image]) -> list[int]:
    return [one.getpixel((5, 5))[0] for one in read]


@pytest.mark.parametrize(("name", "options"), [
    ("a.gif", {}), ("a.png", {}), ("a.webp", {"lossless": True}),
])
def test_all_frames_of_a_short_clip_come_back_in_their_order(tmp_path, name, options):
    read = frames.read(saved(tmp_path, name, greys(5), **options))
    assert shades(read) == [10, 13, 16, 19, 22]
    assert {(one.mode, one.size) for one in read} == {("RGB", (48, 32))}


def test_a_long_clip_is_picked_from_evenly_first_and_last_among_them(tmp_path):
    read = shades(frames.read(saved(tmp_path, "a.png", greys(70))))
    assert len(read) == CLIP_FRAMES
    assert (read[0], read[-1]) == (10, 10 + 3 * 69)
    assert set(np.diff(read) // 3) == {2, 3}


def test_large_frames_are_reduced(tmp_path):
    read = frames.read(saved(tmp_path, "a.gif", greys(3, (800, 400))))
    assert {one.size for one in read} == {(CLIP_SIDE, CLIP_SIDE // 2)}


def test_what_does_not_move_is_one_frame_in_full_size(tmp_path, photo):
    pages = saved(tmp_path, "a.tif", greys(3, (400, 300)))
    assert [one.size for one in frames.read(pages)] == [(400, 300)]
    assert [one.size for one in frames.read(photo)] == [(120, 90)]


def test_a_picture_that_stands_in_for_an_animation_is_no_frame_of_it(tmp_path):
    path = saved(tmp_path, "a.png", greys(4), default_image=True)
    assert shades(frames.read(path)) == [13, 16, 19]


def test_transparent_parts_of_frames_are_white(tmp_path):
    clear = [Image.new("RGBA", (48, 32), (i, 0, 0, 0)) for i in range(3)]
    assert set(shades(frames.read(saved(tmp_path, "a.webp", clear, lossless=True)))) == {255}


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp"])
def test_a_clip_that_is_cut_off_is_said_to_be(tmp_path, name):
    noise = [Image.effect_noise((64, 64), 80).convert("RGB") for _ in range(4)]
    path = saved(tmp_path, name, noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(ImageError, match=r"cut off|damaged"):
        frames.read(path)


def test_a_clip_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(frames, "CLIP_PIXELS", 48 * 32 * 4)
    frames.read(saved(tmp_path, "a.gif", greys(4)))
    monkeypatch.setattr(frames, "frame", None)
    with pytest.raises(ImageError, match="5 frames of 48 × 32") as refused:
        frames.read(saved(tmp_path, "b.gif", greys(5)))
    assert refused.value.code == "too_large"


def test_what_is_written_is_read_again_to_the_pixel_equal_frames_too(tmp_path):
    noise = Image.effect_noise((60, 40), 90).convert("RGB")
    made = [noise, noise, noise.rotate(180), *greys(2, (60, 40))]
    with (tmp_path / "a.png").open("wb") as file:
        packing.write(made, file)
    assert [one.tobytes() for one in frames.read(tmp_path / "a.png")] == [one.tobytes() for one in made]


def through(path: Path, clip: bool) -> Image.Image:
    """What the process apart makes of a file."""
    with path.open("rb") as source, tempfile.TemporaryFile() as target:
        assert SANDBOX.decode(source, target, clip) == {}
        target.seek(0)
        return Image.open(io.BytesIO(target.read()))


def test_the_process_apart_gives_frames_to_those_who_ask_and_drops_what_is_written_beside(tmp_path):
    path = saved(tmp_path, "a.gif", greys(5), comment=b"where I live")
    clip, still = through(path, True), through(path, False)
    assert (clip.n_frames, still.n_frames) == (5, 1)
    assert clip.getpixel((5, 5)) == still.getpixel((5, 5)) == (10, 10, 10)
    assert not {"comment", "exif"} & clip.info.keys()


def test_a_stamp_carries_every_frame(tmp_path):
    stamps.write(tmp_path / "r.png", Image.new("RGB", (9, 9)), ABOUT, [greys(6)])
    stamp = stamps.read((tmp_path / "r.png").read_bytes())
    (tmp_path / "clip.png").write_bytes(stamp.picture)
    assert shades(frames.read(tmp_path / "clip.png")) == shades(greys(6))


def noted(folder: Path, note: str) -> Path:
    """A stored clip that says this of itself."""
    made = greys(6)
    made[0].info[packing.NOTE] = note
    with (folder / "clip.png").open("wb") as file:
        packing.write(made, file)
    return folder / "clip.png"


@pytest.mark.parametrize("note", [
    "all from 0.3 s of video", "evenly picked from 2 min 13 s of video",
    "from the first 3.3 s of 2 min 13 s of video, as the rest would take long to decode",
])
def test_what_frames_are_of_a_video_stays_with_them_through_a_result_and_back(tmp_path, note):
    clip = frames.read(noted(tmp_path, note))
    stamps.write(tmp_path / "r.png", Image.new("RGB", (9, 9)), ABOUT, [clip])
    (tmp_path / "again.png").write_bytes(stamps.read((tmp_path / "r.png").read_bytes()).picture)
    again = through(tmp_path / "again.png", True)
    assert again.info[packing.NOTE] == note


@pytest.mark.parametrize("note", ["where I live", "all from 0.3 s of video. Buy here", "all from my s of video"])
def test_nothing_else_that_a_file_says_of_itself_is_kept(tmp_path, note):
    assert frames.read(noted(tmp_path, note))[0].info == {}


def test_a_clip_too_large_for_a_stamp_is_reduced_until_it_fits_and_that_is_said(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (CLIP_FRAMES, CLIP_SIDE, CLIP_SIDE, 3), np.uint8)
    data, said = stamps.carry([Image.fromarray(one) for one in noise])
    assert len(data) <= stamps.MAX_INPUT
    assert said == "32 frames of 108 × 108 pixels, lossless, reduced from 192 × 192"
    assert stamps.carry(greys(3))[1] == "3 frames of 48 × 32 pixels, lossless"
