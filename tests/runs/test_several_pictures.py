"""Demos of two pictures and of up to four: form, example, and a result sent again."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from demos import stamps
from demos.intake.images import read
from kb.runs import kept
from kb.runs.models import Run

pytestmark = pytest.mark.django_db
TWO = "/papers/mae/run/correspondences/"
FOUR = "/papers/mae/run/cosegmentation/"
ONE_OR_TWO = "/papers/mae/run/key_pca/"


def labels(page: str) -> list[str]:
    return re.findall(r'<label for="id_image\d?">([^<]+)</label>', page)


def corner(run: Run, n: int) -> tuple:
    return read(run.folder / run.images[n]).getpixel((0, 0))


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (TWO, ["Picture 1", "Picture 2"]),
        (ONE_OR_TWO, ["Picture 1", "Picture 2, optional"]),
        (FOUR, ["Picture 1", "Picture 2", "Picture 3, optional", "Picture 4, optional"]),
        ("/papers/mae/run/attention/", ["Picture"]),
    ],
)
def test_every_picture_has_its_field_and_says_whether_it_is_needed(ann, form, expected):
    assert labels(ann.get(form).content.decode()) == expected


def test_pictures_keep_their_order_and_gaps_close(ann, upload):
    sent = {"image": upload((1, 1, 1)), "image2": upload((2, 2, 2)), "image4": upload((4, 4, 4))}
    assert ann.post(FOUR, sent).status_code == 302
    run = Run.objects.get()
    assert [corner(run, n) for n in range(3)] == [(1, 1, 1), (2, 2, 2), (4, 4, 4)]


def test_the_second_picture_missing_is_said_at_its_field_and_the_first_is_kept(ann, upload):
    answer = ann.post(TWO, {"image": upload((1, 1, 1))})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert 'id="id_image2_error">Choose a picture' in page
    token = re.search(r'name="kept" value="([^"]+)"', page)
    assert token
    ann.post(TWO, {"kept": token[1], "image2": upload((2, 2, 2))})
    run = Run.objects.get()
    assert [corner(run, n) for n in range(2)] == [(1, 1, 1), (2, 2, 2)]


@pytest.mark.parametrize(("form", "number"), [(TWO, 2), (FOUR, 2), (ONE_OR_TWO, 2), ("/papers/mae/run/attention/", 1)])
def test_the_example_brings_as_many_pictures_as_the_demo_takes(ann, form, number):
    words = "Run on the example picture" + "s" * (number > 1) + "</button>"
    assert words in ann.get(form).content.decode()
    assert ann.post(form, {"example": "1"}).status_code == 302
    run = Run.objects.get()
    for name, file in zip(run.images, kept.EXAMPLE.files()[:number], strict=True):
        assert (run.folder / name).read_bytes() == file.read_bytes()


def test_a_result_brings_both_pictures_that_it_was_made_from(ann, tmp_path):
    about = {
        "demo": "correspondences", "paper": "mae", "options": {"pairs": 7}, "seed": 0,
        "weights": {"name": "w"}, "code_version": "c0de",
    }
    sent = [[Image.new("RGB", (64, 48), colour)] for colour in ((1, 1, 1), (2, 2, 2))]
    stamps.write(tmp_path / "result.png", Image.new("RGB", (32, 32)), about, sent)
    result = SimpleUploadedFile("r.png", (tmp_path / "result.png").read_bytes(), "image/png")
    page = ann.post("/papers/mae/run/attention/", {"image": result}).content.decode()
    assert "keeps the pictures it was made from" in page
    token = re.search(r'name="kept" value="([^"]+)"', page.split("data-send")[1])
    assert token
    ann.post(TWO, {"kept": token[1], "pairs": "7"})
    run = Run.objects.get()
    assert run.options["pairs"] == 7
    assert [corner(run, n) for n in range(2)] == [(1, 1, 1), (2, 2, 2)]
