"""A clip on its way through the site: all its frames arrive where a demo takes them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from demos import stamps
from demos.intake import frames
from kb.runs import kept
from kb.runs.models import Run
from tests import recorded
from tests.runs.test_form_again import hidden

pytestmark = pytest.mark.django_db
CLIP = "/papers/mae/run/time_arrow/"
STILL = "/papers/mae/run/reconstruction/"


def gif(*shades: int) -> SimpleUploadedFile:
    """A GIF of one frame for each shade."""
    file, made = io.BytesIO(), [Image.new("RGB", (64, 48), (s, s, s)) for s in shades]
    made[0].save(file, "GIF", save_all=True, append_images=made[1:])
    return SimpleUploadedFile("a.gif", file.getvalue(), "image/gif")


def shades(run: Run) -> list[int]:
    return [one.getpixel((0, 0))[0] for one in frames.read(run.folder / run.images[0])]


def test_a_demo_of_clips_gets_every_frame_and_another_only_the_first(ann):
    ann.post(CLIP, {"image": gif(10, 20, 30)})
    ann.post(STILL, {"image": gif(10, 20, 30)})
    assert shades(Run.objects.get(demo="time_arrow")) == [10, 20, 30]
    assert shades(Run.objects.get(demo="reconstruction")) == [10]


def test_runs_are_shared_only_where_all_frames_are_the_same(ann):
    for clip in (gif(10, 20, 30), gif(10, 20, 30), gif(10, 20, 31)):
        ann.post(CLIP, {"image": clip})
    assert sorted(shades(run)[-1] for run in Run.objects.all()) == [30, 31]


def test_a_clip_sent_with_a_wrong_option_need_not_be_sent_again(ann):
    page = ann.post(CLIP, {"image": gif(10, 20), "camera": "true", "deadline": "soon"}).content.decode()
    ann.post(CLIP, {"kept": hidden(page, "kept"), "camera": "true"})
    assert shades(Run.objects.get()) == [10, 20]


def mp4(n: int = 40) -> SimpleUploadedFile:
    return SimpleUploadedFile("a.mp4", recorded.video(recorded.greys(n)), "video/mp4")


def test_a_video_is_kept_as_frames_with_a_word_on_what_they_are(ann):
    ann.post(CLIP, {"image": mp4()})
    run = Run.objects.get()
    assert len(shades(run)) == 32
    assert shades(run) == sorted(shades(run))
    first = frames.read(run.folder / run.images[0])[0]
    assert first.info["Comment"] == "evenly picked from 1.3 s of video"


def test_a_demo_of_stills_names_those_that_take_videos(ann):
    answer = ann.post(STILL, {"image": mp4()})
    assert answer.status_code == 415
    for words in ("Take a still", "The arrow of time", "Tracking by pointing", "MOV"):
        assert words in answer.content.decode()
    assert not Run.objects.exists()


def test_a_video_that_is_cut_off_comes_back_with_its_remedy(ann):
    data = recorded.video(recorded.greys(9))
    data = data[: len(data) // 2]
    answer = ann.post(CLIP, {"image": SimpleUploadedFile("a.mp4", data, "video/mp4")})
    assert answer.status_code == 400
    assert "Send it again" in answer.content.decode()


def test_a_result_brings_its_clip_back(ann, tmp_path):
    about = {
        "demo": "time_arrow", "paper": "mae", "options": {"camera": False},
        "weights": {"name": "none"}, "code_version": "c0de",
    }
    sent = [Image.new("RGB", (64, 48), (s, s, s)) for s in (5, 15, 25, 35)]
    stamps.write(tmp_path / "r.png", Image.new("RGB", (32, 32)), about, [sent])
    result = SimpleUploadedFile("r.png", (tmp_path / "r.png").read_bytes(), "image/png")
    page = ann.post(STILL, {"image": result}).content.decode()
    assert "is a result of The arrow of time" in page
    ann.post(CLIP, {"kept": hidden(page.split("data-send")[1], "kept")})
    assert shades(Run.objects.get()) == [5, 15, 25, 35]


def test_the_example_of_a_demo_of_clips_moves(ann):
    ann.post(CLIP, {"example": "1"})
    run = Run.objects.get()
    assert len(shades(run)) == 32
    answer = ann.get(f"/runs/{run.pk}/files/{run.images[0]}")
    assert answer["Content-Type"] == "image/webp"


def test_the_form_says_what_a_clip_may_be(ann):
    page = ann.get(CLIP).content.decode()
    assert "Clip or picture" in page
    assert "32 frames are used at most" in page
    assert "Big Buck Bunny" in page
    assert "MP4, MOV, WebM, MKV, AVI, up to 25 MB" in page
    assert "image/gif" in page
    assert "video/mp4" in page
    other = ann.get(STILL).content.decode()
    assert "Clip" not in other.split("<main")[1]
    assert "video/" not in other


def test_the_example_clip_is_there_and_moves():
    (path,) = kept.EXAMPLE_CLIP.files()
    assert isinstance(path, Path)
    assert len(frames.read(path)) == 32
