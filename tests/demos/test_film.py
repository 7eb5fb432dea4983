"""Videos in: what can be read, how it looks then, and what is said of all the rest."""

from __future__ import annotations

import io
import os
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from demos.intake import film, frames, images, packing, sampling
from demos.intake.images import ImageError
from demos.intake.packing import NOTE
from demos.intake.sandbox import SANDBOX
from demos.specs import CLIP_FRAMES, CLIP_SIDE
from tests.recorded import PROTECTED, greys, held_upright, quarters, sound, video

KINDS = [
    ("mp4", "libx264"), ("mp4", "libx265"), ("mp4", "libsvtav1"), ("mov", "libx264"),
    ("webm", "libvpx"), ("webm", "libvpx-vp9"), ("matroska", "libx264"), ("avi", "mpeg4"),
    ("avi", "mjpeg"),
]


def read(folder: Path, data: bytes) -> list[Image.Image]:
    (folder / "film").write_bytes(data)
    with (folder / "film").open("rb") as file:
        return frames.decode_frames(file)


def refused(folder: Path, data: bytes) -> ImageError:
    with pytest.raises(ImageError) as raised:
        read(folder, data)
    return raised.value


def shades(clip: list[Image.Image]) -> list[int]:
    return [one.getpixel((one.width // 2, one.height // 2))[1] for one in clip]


def corners(one: Image.Image) -> list[str]:
    """Names of the colours of the four quarters, row by row."""
    names = {(1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue", (1, 1, 1): "white"}
    places = [(x, y) for y in (1, 3) for x in (1, 3)]
    seen = (one.getpixel((one.width * x // 4, one.height * y // 4)) for x, y in places)
    return [names[tuple(int(v > 128) for v in pixel)] for pixel in seen]


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="Linux alone tells")
@pytest.mark.parametrize("codec", sorted({codec for _, codec in KINDS}))
def test_writing_a_film_for_a_test_leaves_the_priority_of_all_others_alone(codec):
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    video(greys(2), "matroska", codec, pixels=pixels)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


@pytest.mark.parametrize(("container", "codec"), KINDS)
def test_every_common_kind_gives_all_frames_in_their_order_and_colours(tmp_path, container, codec):
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    clip = read(tmp_path, video(greys(10), container, codec, pixels=pixels))
    assert {(one.mode, one.size) for one in clip} == {("RGB", (96, 64))}
    wanted = [one.getpixel((0, 0))[0] for one in greys(10)]
    assert np.abs(np.subtract(shades(clip), wanted)).max() <= 6
    assert clip[0].info[NOTE] == "all from 0.3 s of video"
    colours = read(tmp_path, video([quarters()] * 3, container, codec, pixels=pixels))
    assert corners(colours[1]) == ["red", "green", "blue", "white"]


def test_frames_shown_in_another_order_than_coded_come_as_they_are_shown(tmp_path):
    data = video(greys(60), options={"preset": "medium", "bf": "3", "g": "20"})
    clip = shades(read(tmp_path, data))
    assert len(clip) == CLIP_FRAMES
    assert clip == sorted(clip)
    assert np.diff(clip).max() <= 2.5 * np.diff(clip).mean()
    assert (clip[0], clip[-1]) == (pytest.approx(20, abs=4), pytest.approx(235, abs=4))


def test_a_phone_that_was_held_upright_gives_an_upright_clip(tmp_path):
    clip = read(tmp_path, held_upright(video([quarters()] * 3)))
    assert clip[1].size == (64, 96)
    assert corners(clip[1]) == ["blue", "red", "white", "green"]


def test_large_frames_are_reduced_and_odd_sides_do_no_harm(tmp_path):
    odd = [one.resize((801, 401)) for one in greys(3)]
    clip = read(tmp_path, video(odd, pixels="yuv444p"))
    assert {one.size for one in clip} == {(CLIP_SIDE, CLIP_SIDE // 2)}


def test_a_video_of_one_frame_is_a_picture_in_full_size(tmp_path):
    clip = read(tmp_path, video([quarters((640, 480))]))
    assert [one.size for one in clip] == [(640, 480)]


def test_oblong_pixels_are_made_square(tmp_path):
    data = video(greys(3), options={"x264-params": "sar=2/1"})
    assert read(tmp_path, data)[0].size == (192, 64)


@pytest.mark.parametrize(("size", "colours"), [((96, 64), "ITU601"), ((1280, 720), "ITU709")])
def test_colours_that_do_not_say_what_they_are_are_what_their_size_usually_has(tmp_path, size, colours):
    clip = read(tmp_path, video([quarters(size)] * 2, colours=colours))
    green = clip[0].getpixel((clip[0].width * 3 // 4, clip[0].height // 4))
    assert np.abs(np.subtract(green, (0, 255, 0))).max() <= 4


def test_uneven_times_are_respected(tmp_path):
    """Forty frames in two seconds, then twenty in twenty: time is divided, not number."""
    times = [*range(40), *range(40, 440, 20)]
    clip = shades(read(tmp_path, video(greys(60), times=times, rate=20)))
    later = [s for s in clip if s > greys(60)[40].getpixel((0, 0))[0]]
    assert len(clip) <= CLIP_FRAMES
    assert len(later) >= 0.6 * len(clip)


def test_the_index_may_stand_at_either_end_or_in_parts(tmp_path):
    for flags in ("", "faststart", "frag_keyframe+empty_moov"):
        more = {"movflags": flags} if flags else {}
        assert len(read(tmp_path, video(greys(5), **more))) == 5


def test_a_film_too_dear_is_read_as_far_as_it_goes_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(film, "pick", lambda coded: sampling.pick(coded, 40 * 96 * 64 * 2))
    clip = read(tmp_path, video(greys(400), options={"g": "400"}))
    assert len(clip) == CLIP_FRAMES
    assert max(shades(clip)) < 80
    assert "of 13.3 s of video" in clip[0].info[NOTE]


def test_a_cover_is_no_film_and_sound_alone_is_refused(tmp_path):
    for data in (sound(), sound(cover=quarters())):
        error = refused(tmp_path, data)
        assert error.code == "unsupported"
        assert "only sound" in error.message


def test_a_codec_that_is_not_wanted_is_refused_with_a_remedy(tmp_path):
    error = refused(tmp_path, video(greys(3), "matroska", "ffv1"))
    assert error.code == "unsupported"
    assert "H.264" in error.message


def test_a_protected_video_is_refused_as_such(tmp_path):
    assert "protected" in refused(tmp_path, video(greys(3), **PROTECTED)).message


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mjpeg"])
def test_8k_is_refused_before_a_frame_is_decoded(tmp_path, monkeypatch, codec):
    monkeypatch.setattr(film, "coded", lambda *_: pytest.fail("read on"))
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    error = refused(tmp_path, video([Image.new("RGB", (4800, 2400))], "mov", codec, pixels=pixels))
    assert error.code == "too_large"
    assert "4K" in error.message


@pytest.mark.parametrize("size", [(2, 2), (4, 400), (1024, 8)])
def test_specks_and_strips_are_refused(tmp_path, size):
    assert refused(tmp_path, video(greys(3, size), "mov", "mpeg4")).code == "too_small"


FIRST = {"movflags": "faststart"}  # the index before the frames


@pytest.mark.parametrize(("share", "more"), [
    (0.02, {}), (0.3, {}), (0.7, {}), (0.03, FIRST), (0.3, FIRST), (0.7, FIRST), (0.99, FIRST),
])
def test_an_mp4_that_is_cut_off_is_said_to_be(tmp_path, share, more):
    noise = [Image.effect_noise((96, 64), 90).convert("RGB") for _ in range(20)]
    data = video(noise, **more)
    error = refused(tmp_path, data[: int(len(data) * share)])
    assert error.code == "truncated"
    assert "Send it again" in error.message


def test_an_mp4_cut_off_between_two_frames_is_said_to_be_too(tmp_path):
    data = video(greys(20), movflags="faststart")
    with av.open(io.BytesIO(data)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    end = packets[12].pos + packets[12].size
    assert refused(tmp_path, data[:end]).code == "truncated"


PLAYLISTS = [b"#EXTM3U\n#EXTINF:1,\nsecret.mp4\n", b"ffconcat version 1.0\nfile secret.mp4\n"]


@pytest.mark.parametrize("text", PLAYLISTS)
def test_a_playlist_is_not_read_as_one_under_any_mark(tmp_path, text):
    assert refused(tmp_path, text).code == "not_an_image"
    for mark in (b"\0\0\0\x18ftypisom", b"\x1aE\xdf\xa3", b"RIFF\xff\0\0\0AVI "):
        assert refused(tmp_path, mark + text).code in ("truncated", "unsupported")


def test_even_a_reader_of_playlists_could_open_no_other_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("secret.mp4").write_bytes(video(greys(3)))
    Path("list").write_bytes(PLAYLISTS[1])
    with Path("list").open("rb") as file, pytest.raises(ImageError, match="damaged"):
        film.decode(file, "concat")
    with monkeypatch.context() as careless:
        careless.delitem(film.OPTIONS, "protocol_whitelist")
        with Path("list").open("rb") as file:
            assert len(film.decode(file, "concat")[0]) == 3


def test_a_film_where_a_still_is_wanted_is_told_which_demos_take_it():
    with pytest.raises(ImageError) as raised:
        raise images.unreadable(video(greys(2))[:4096])
    assert raised.value.code == "unsupported"
    for words in ("Take a still", "The arrow of time", "WebM"):
        assert words in raised.value.message


def test_the_sandbox_gives_a_film_as_frames_with_what_they_are(tmp_path):
    (tmp_path / "film").write_bytes(video(greys(40)))
    with (tmp_path / "film").open("rb") as source, (tmp_path / "a.png").open("w+b") as target:
        assert SANDBOX.decode(source, target, clip=True) == {}
    stored = frames.read(tmp_path / "a.png")
    assert len(stored) == CLIP_FRAMES
    assert stored[0].info[NOTE] == "evenly picked from 1.3 s of video"


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1"])
def test_4k_has_room_in_what_a_child_may_take_and_starts_no_threads(tmp_path, monkeypatch, codec):
    (tmp_path / "film").write_bytes(video([quarters((3840, 2160))] * 3, codec=codec))
    with (tmp_path / "film").open("rb") as source, (tmp_path / "a.png").open("wb") as target:
        assert SANDBOX.decode(source, target, clip=True) == {}
    contexts = []
    monkeypatch.setattr(film, "decoded", lambda stream, _: contexts.append(stream.codec_context))
    with (tmp_path / "film").open("rb") as source:
        film.decode(source, "mov")
    assert (contexts[0].thread_count, contexts[0].thread_type.name) == (1, "NONE")


def test_where_there_is_no_sandbox_a_film_is_read_as_it_is(tmp_path):
    (tmp_path / "a.mp4").write_bytes(video(greys(5)))
    assert frames.read(tmp_path / "a.mp4")[0].info[NOTE] == "all from 0.2 s of video"


def test_the_same_film_gives_the_same_bytes(tmp_path):
    data, made = video(greys(40)), [io.BytesIO(), io.BytesIO()]
    for target in made:
        packing.write(read(tmp_path, data), target)
    assert made[0].getvalue() == made[1].getvalue()
