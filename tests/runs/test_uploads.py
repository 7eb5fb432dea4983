"""Pictures of every kind through the real door: the API's upload."""

from __future__ import annotations

import io
import re
import shutil
import struct
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from demos.intake.sandbox import BROKEN, SANDBOX, Busy
from demos.specs import MAX_BYTES, MAX_PIXELS
from kb.runs import uploads
from kb.runs.models import Run
from tests.uploads.forms import FIELDS, FORMS

pytestmark = pytest.mark.django_db

RED = (200, 30, 30)


def encoded(image: Image.Image, format: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def send(data: bytes, name: str = "photo.jpg"):
    file = SimpleUploadedFile(name, data, "image/jpeg")
    fields = {"demo": "reconstruction", "paper": "mae", "image": file}
    return Client().post("/api/runs/", fields)


def stored(data: bytes) -> Image.Image:
    """The picture as it was stored."""
    answer = send(data)
    assert answer.status_code == 201, answer.content
    run = Run.objects.get(pk=answer.json()["id"])
    (name,) = run.images
    assert name != "photo.jpg"
    return Image.open(run.folder / name)


def refused(data: bytes, own_folder) -> tuple[int, str, str]:
    """Status, code and sentence; and nothing was kept."""
    answer = send(data)
    error = answer.json()["error"]
    assert error["field"] == "image"
    assert not Run.objects.exists()
    assert not own_folder.exists() or list(own_folder.iterdir()) == []
    return answer.status_code, error["code"], error["message"]


def header_only(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds one row of it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(width // 8 + 1))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows)


def grey(values: np.ndarray) -> bytes:
    return encoded(Image.fromarray(values))


GRADIENT = np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)
RGB = Image.new("RGB", (64, 48), RED)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_each_allowed_format_is_stored_as_rgb_png(format):
    picture = stored(encoded(RGB, format))
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGB", (64, 48))
    assert np.abs(np.asarray(picture)[20, 20].astype(int) - RED).max() < 12


@pytest.mark.parametrize(
    ("mode", "format"),
    [("CMYK", "JPEG"), ("L", "PNG"), ("1", "PNG"), ("P", "PNG"), ("LA", "PNG")],
)
def test_other_modes_become_rgb(mode, format):
    picture = stored(encoded(RGB.convert(mode), format))
    assert (picture.mode, picture.size) == ("RGB", (64, 48))


def test_sixteen_bits_keep_their_gradient_instead_of_turning_white():
    values = np.asarray(stored(grey(GRADIENT)))[..., 0]
    assert (values[0, 0], values[-1, -1]) == (0, 255)
    assert abs(int(np.median(values)) - 127) <= 1


def test_transparent_parts_become_white():
    image = Image.new("RGBA", (64, 48), (*RED, 255))
    image.paste((0, 0, 0, 0), (0, 0, 32, 48))
    picture = np.asarray(stored(encoded(image)))
    assert picture[10, 5].tolist() == [255, 255, 255]
    assert picture[10, 60].tolist() == list(RED)


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (64, 48), c) for c in (RED, (0, 0, 255))]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.asarray(stored(data))[20, 20].tolist() == list(RED)


def test_the_picture_is_turned_upright_and_loses_its_metadata():
    exif = Image.Exif()
    exif[0x0112] = 6  # a camera held upright
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    extra = {"comment": b"SecretComment", "icc_profile": b"SecretProfile", "exif": exif}
    picture = stored(encoded(RGB, "JPEG", **extra))
    assert picture.size == (48, 64)
    raw = Path(picture.filename).read_bytes()
    assert (dict(picture.getexif()), picture.info) == ({}, {})
    assert b"Secret" not in raw


def test_a_long_strip_is_stored_as_it_is():
    assert stored(encoded(RGB.resize((2000, 40)))).size == (2000, 40)


REFUSALS: dict[str, tuple[Callable[[], bytes], int, str, str]] = {
    "empty": (lambda: b"", 400, "empty", "empty"),
    "html": (lambda: b"<html><script>alert(1)</script></html>", 415, "unsupported", "Save the picture itself"),
    "svg": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', 415, "unsupported", "SVG"),
    "random": (lambda: bytes(range(256)) * 40, 415, "not_an_image", ""),
    "truncated": (
        lambda: encoded(RGB.resize((400, 300)), "JPEG")[:900], 400, "truncated", "cut off",
    ),
    "bomb": (
        lambda: header_only(20000, 20000), 413, "too_large", f"{MAX_PIXELS // 10**6} million",
    ),
    "1x1": (lambda: encoded(RGB.resize((1, 1))), 400, "too_small", "at least"),
    "many bytes": (lambda: bytes(MAX_BYTES + 1), 413, "too_large", f"{MAX_BYTES // 10**6} MB"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_used_is_refused_with_a_reason(name, own_folder):
    make, status, code, words = REFUSALS[name]
    got, reason, message = refused(make(), own_folder)
    assert (got, reason) == (status, code)
    assert words in message


def test_the_same_file_again_is_not_decoded_again(own_folder, monkeypatch):
    data = encoded(RGB.resize((70, 50)))
    first = stored(data).tobytes()
    again = {"demo": "attention", "paper": "mae", "image": SimpleUploadedFile("b.png", data)}
    with monkeypatch.context() as patch:
        patch.setattr(SANDBOX, "decode", lambda *files: pytest.fail("decoded again"))
        run_id = Client().post("/api/runs/", again).json()["id"]
    run = Run.objects.get(pk=run_id)
    path = run.folder / run.images[0]
    assert Image.open(path).tobytes() == first
    for folder in own_folder.iterdir():
        shutil.rmtree(folder)
    Run.objects.all().delete()
    assert stored(data).tobytes() == first


def test_other_bytes_of_the_same_pixels_are_the_same_run():
    first, again = (send(encoded(RGB.resize((70, 50)), format)) for format in ("PNG", "BMP"))
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])


def test_a_large_photo_is_stored_at_the_size_that_demos_look_at():
    assert stored(encoded(RGB.resize((4000, 3000)), "JPEG")).size == (1181, 886)


def test_only_so_many_files_are_remembered(monkeypatch):
    monkeypatch.setattr(uploads, "KNOWN", OrderedDict())
    monkeypatch.setattr(uploads, "MOST_KNOWN", 2)
    for n in range(4):
        stored(encoded(RGB.resize((30, 30 + n))))
        Run.objects.all().delete()
    assert len(uploads.KNOWN) == 2


def test_when_too_many_wait_the_answer_says_when_to_come_back(monkeypatch):
    def decode(*files):
        raise Busy

    monkeypatch.setattr(SANDBOX, "decode", decode)
    answer = send(encoded(RGB.resize((33, 32))))
    assert (answer.status_code, answer["Retry-After"]) == (429, "10")
    assert answer.json()["error"]["code"] == "busy"


def test_a_decoder_that_dies_is_a_400_and_leaves_nothing(own_folder, monkeypatch):
    monkeypatch.setattr(SANDBOX, "decode", lambda *files: BROKEN)
    status, code, message = refused(encoded(RGB.resize((33, 33))), own_folder)
    assert (status, code) == (400, "undecodable")
    assert "save it as JPEG or PNG" in message


@pytest.mark.parametrize("form", FORMS, ids=[form.name for form in FORMS])
def test_no_name_and_no_form_does_harm(form, own_folder, settings):
    settings.FILE_UPLOAD_TEMP_DIR = own_folder.parent
    client = Client(raise_request_exception=False)
    data = form.body(FIELDS)
    answer = client.generic("POST", "/api/runs/", data, form.kind)
    assert answer.status_code < 500
    assert (answer.status_code == 201) == (form.taken or form.length is not None), answer.content
    written = [path for path in own_folder.parent.rglob("*") if path.is_file()]
    assert len(written) == Run.objects.count()
    assert all(re.fullmatch(r"[0-9a-f]{16}\.png", path.name) for path in written)
