"""A form that comes back loses nothing; a result that is sent can be run again."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from PIL import Image

from demos import stamps
from demos.intake.images import read
from kb.runs import kept, sweep
from kb.runs.models import Run
from tests.runs.conftest import png

pytestmark = pytest.mark.django_db
FORM = "/papers/mae/run/reconstruction/"
OTHER = "/papers/mae/run/attention/"


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found, f"no {name} in the form"
    return found[1]


# Nothing is lost


def test_a_picture_sent_with_a_wrong_option_need_not_be_sent_again(ann, upload):
    answer = ann.post(FORM, {"image": upload((9, 9, 9)), "ratio": "2"})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert "This picture is used unless you choose another." in page
    shown = re.search(r'<img src="(/runs/kept/[^"]+)"', page)
    assert shown
    assert ann.get(shown[1])["Content-Type"] == "image/png"
    file_input = re.search(r'<input type="file"[^>]*>', page)
    assert file_input
    assert "required" not in file_input[0]
    second = ann.post(FORM, {"kept": hidden(page, "kept"), "ratio": "0.5"})
    assert second.status_code == 302
    run = Run.objects.get()
    assert read(run.folder / run.images[0]).getpixel((0, 0)) == (9, 9, 9)


def test_a_full_queue_keeps_the_picture_and_the_options(ann, upload, settings):
    settings.RUN_QUEUE_LIMIT = 0
    page = ann.post(FORM, {"image": upload(), "ratio": "0.3"}).content.decode()
    settings.RUN_QUEUE_LIMIT = 10
    assert re.search(r'name="ratio" value="0.3"', page)
    assert ann.post(FORM, {"kept": hidden(page, "kept")}).status_code == 302


def test_a_broken_picture_does_not_drive_out_the_one_that_was_kept(ann, upload):
    page = ann.post(FORM, {"image": upload(), "ratio": "2"}).content.decode()
    broken = SimpleUploadedFile("a.png", b"no picture", "image/png")
    answer = ann.post(FORM, {"kept": hidden(page, "kept"), "image": broken})
    page = answer.content.decode()
    assert answer.status_code == 415
    assert "This file is not a picture" in page
    assert ann.post(FORM, {"kept": hidden(page, "kept")}).status_code == 302


@pytest.mark.parametrize("token", ["x", "WyJhIl0:1:forged", "from"])
def test_a_token_that_is_not_ours_keeps_nothing(ann, upload, token):
    ann.post(FORM, {"image": upload()})
    forged = str(Run.objects.get().pk) if token == "from" else token
    assert ann.post(FORM, {"kept": forged}).status_code == 400
    assert ann.get(reverse("runs:kept", args=[forged, "a.png"])).status_code == 404


def test_a_token_shows_its_own_pictures_alone(ann, upload, own_folder):
    page = ann.post(FORM, {"image": upload(), "ratio": "2"}).content.decode()
    token = hidden(page, "kept")
    folder = kept.from_token(token).folder
    (folder / "other.png").write_bytes(png())
    assert ann.get(reverse("runs:kept", args=[token, "other.png"])).status_code == 404


def test_pictures_that_nobody_comes_back_for_are_removed(ann, upload, own_folder, settings):
    settings.RUN_ORPHAN_SECONDS = -1
    page = ann.post(FORM, {"image": upload(), "ratio": "2"}).content.decode()
    sweep.remove_orphans()
    assert not list(own_folder.iterdir())
    answer = ann.post(FORM, {"kept": hidden(page, "kept")})
    assert answer.status_code == 400
    assert "no longer kept. Choose it again." in answer.content.decode()


def test_the_focus_goes_to_the_field_that_is_wrong(ann, upload):
    page = ann.post(FORM, {"image": upload(), "ratio": "2"}).content.decode()
    assert [tag for tag in re.findall(r"<input[^>]*>", page) if "autofocus" in tag] == [
        tag for tag in re.findall(r"<input[^>]*>", page) if 'name="ratio"' in tag
    ]
    assert 'aria-invalid="true"' in page


def test_the_same_form_twice_is_one_run_even_of_a_demo_that_is_always_fresh(ann):
    check = "/papers/mae/run/verify/"
    key = hidden(ann.get(check).content.decode(), "key")
    first = ann.post(check, {"key": key})["Location"]
    Run.objects.update(state="done")
    assert ann.post(check, {"key": key})["Location"] == first
    another = hidden(ann.get(check).content.decode(), "key")
    assert ann.post(check, {"key": another})["Location"] != first


def test_a_run_can_be_told_when_to_give_up(ann, upload):
    ann.post(FORM, {"image": upload(), "deadline": "60"})
    run = Run.objects.get()
    assert run.deadline
    assert (run.deadline - run.created).total_seconds() == 60
    answer = ann.post(FORM, {"image": upload((1, 2, 3)), "deadline": "soon"})
    assert answer.status_code == 400
    assert "whole number of seconds" in answer.content.decode()


# A result that is sent


def result_of(folder: Path, **about: object) -> SimpleUploadedFile:
    """A picture as the demos write it, made from a blue one."""
    said = {
        "demo": "attention", "paper": "mae", "options": {"mass": 0.3, "view": "heads"},
        "seed": 0, "weights": {"name": "the <b>weights</b>"}, "code_version": "c0de",
    } | about
    file, sent = folder / "result.png", Image.new("RGB", (64, 48), (0, 0, 200))
    stamps.write(file, Image.new("RGB", (32, 32)), said, [[sent]])
    return SimpleUploadedFile("result.png", file.read_bytes(), "image/png")


def test_a_result_brings_its_own_form_filled_in_and_its_picture(ann, tmp_path):
    answer = ann.post(FORM, {"image": result_of(tmp_path), "ratio": "0.3"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "is a result of Attention maps with MAE" in page
    assert "the &lt;b&gt;weights&lt;/b&gt;" in page
    assert f'action="{OTHER}"' in page
    assert re.search(r'name="mass" value="0.3"', page)
    assert not Run.objects.exists()
    token = hidden(page.split("data-send")[1], "kept")
    ann.post(OTHER, {"kept": token, "mass": "0.3", "view": "heads"})
    run = Run.objects.get()
    assert (run.demo, run.options["mass"], run.options["view"]) == ("attention", 0.3, "heads")
    assert read(run.folder / run.images[0]).getpixel((0, 0)) == (0, 0, 200)


def test_a_result_may_be_taken_as_a_picture_like_any_other(ann, tmp_path):
    page = ann.post(FORM, {"image": result_of(tmp_path), "ratio": "0.3"}).content.decode()
    plain = page.split(f'action="{FORM}"')[1].split("</form>")[0]
    ann.post(FORM, {"kept": hidden(plain, "kept"), "ratio": hidden(plain, "ratio")})
    run = Run.objects.get()
    assert (run.demo, run.options["ratio"]) == ("reconstruction", 0.3)
    assert read(run.folder / run.images[0]).size == (32, 32)


def test_options_of_a_stamp_that_are_wrong_by_now_fall_back_to_their_defaults(ann, tmp_path):
    options = {"mass": 7, "view": "<script>", "gone": 1, "opacity": 0.2}
    page = ann.post(FORM, {"image": result_of(tmp_path, options=options)}).content.decode()
    assert re.search(r'name="opacity" value="0.2"', page)
    assert re.search(r'name="mass" value="0.6"', page)
    assert "<script>" not in page


@pytest.mark.parametrize(
    "about", [{"paper": "lars"}, {"paper": "../etc"}, {"demo": "rm"}, {"options": [1]}]
)
def test_a_stamp_that_means_nothing_here_leaves_a_picture_like_any_other(ann, tmp_path, about):
    assert ann.post(FORM, {"image": result_of(tmp_path, **about)}).status_code == 302
    assert Run.objects.get().demo == "reconstruction"


@pytest.mark.parametrize("inside", [b"no picture", b"GIF89a" + b"\0" * 40, b""])
def test_a_hostile_picture_in_a_stamp_is_refused_as_an_upload_would_be(
    ann, tmp_path, monkeypatch, inside
):
    real = stamps.read

    def read_hostile(data: bytes) -> stamps.Stamp:
        stamp = real(data)
        return stamps.Stamp(
            stamp.demo, stamp.paper, stamp.options, inside, "c0de", "w"
        )

    sent = result_of(tmp_path)
    monkeypatch.setattr(stamps, "read", read_hostile)
    answer = ann.post(FORM, {"image": sent})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "is not inside, so choose it again" in page
    assert 'name="kept"' not in page.split("data-send")[1].split("</form>")[0]


def test_a_plain_picture_has_no_stamp(upload):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    assert stamps.read(buffer.getvalue()) is None
