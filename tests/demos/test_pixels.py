"""Colours as they were meant: profiles are used once and then forgotten."""

import os

import numpy as np
import pytest
from PIL import Image, ImageCms

from demos.intake import images, pixels
from demos.intake.strangers import KINDS, stranger

# Corners of the colour space: in XYZ under D50, as profiles hold them.
ADOBE = [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
P3 = [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
SRGB = [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]


def icc(matrix, gamma, space=b"RGB "):
    """A profile of three corners and one curve, written by hand."""
    number = lambda value: round(value * 65536).to_bytes(4, "big", signed=True)  # noqa: E731
    tags = {
        f"{name}XYZ".encode(): b"XYZ \0\0\0\0" + b"".join(number(row[n]) for row in matrix)
        for n, name in enumerate("rgb")
    }
    curve = b"curv\0\0\0\0\0\0\0\1" + round(gamma * 256).to_bytes(2, "big") + bytes(2)
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    tags |= {b"wtpt": b"XYZ \0\0\0\0" + number(0.9642) + number(1) + number(0.8249)}
    tags |= {name: b"desc\0\0\0\0\0\0\0\2x\0" + bytes(80) for name in (b"desc", b"cprt")}
    table, data, at = b"", b"", 132 + 12 * len(tags)
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += name + (at + len(data)).to_bytes(4, "big") + len(value).to_bytes(4, "big")
        data += value
    head = (at + len(data)).to_bytes(4, "big") + bytes(4) + b"\2\x10\0\0mntr" + space + b"XYZ " + bytes(12) + b"acsp" + bytes(28)
    head += number(0.9642) + number(1) + number(0.8249) + bytes(48)
    return head + len(tags).to_bytes(4, "big") + table + data


def expected(colour, matrix, gamma):
    """The sRGB colour by the formulas of the standard, without a library."""
    linear = np.linalg.solve(SRGB, np.array(matrix) @ (np.array(colour) / 255) ** gamma).clip(0, 1)
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return curve * 255


@pytest.mark.parametrize(("matrix", "gamma"), [(ADOBE, 2.19921875), (P3, 2.2), (P3, 1.0)])
@pytest.mark.parametrize("colour", [(180, 90, 60), (60, 150, 90), (200, 200, 200), (250, 20, 30)])
@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "webp"])
def test_a_photo_in_another_colour_space_keeps_its_colours(tmp_path, matrix, gamma, colour, kind):
    options = {"quality": 100} | ({"subsampling": 0} if kind == "jpg" else {}) | ({"lossless": True} if kind == "webp" else {})
    path = tmp_path / f"photo.{kind}"
    Image.new("RGB", (32, 32), colour).save(path, icc_profile=icc(matrix, gamma), **options)
    shown = images.read(path).getpixel((9, 9))
    assert shown == pytest.approx(expected(colour, matrix, gamma), abs=3)


def test_the_profile_of_srgb_itself_changes_nothing(picture):
    before = picture.tobytes()
    picture.info["icc_profile"] = ImageCms.ImageCmsProfile(pixels.SRGB).tobytes()
    assert pixels.to_rgb(picture).tobytes() == before


def test_transparency_and_a_profile_go_together(picture):
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    plain = np.asarray(pixels.to_rgb(picture.copy())).astype(int)
    picture.info["icc_profile"] = icc(P3, 2.2)
    managed = np.asarray(pixels.to_rgb(picture)).astype(int)
    assert (managed[0] >= 254).all()
    assert np.abs(managed - plain)[-1].max() > 5


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
@pytest.mark.parametrize(
    "profile",
    [b"", b"x", os.urandom(5000), icc(P3, 2.2)[:200], icc(P3, 2.2, b"CMYK"), icc(P3, 2.2, b"GRAY"), bytes(pixels.MAX_PROFILE + 1)],
    ids=["empty", "byte", "random", "cut", "cmyk", "grey", "huge"],
)
def test_a_profile_that_does_not_fit_is_ignored(picture, mode, profile):
    picture = picture.convert(mode)
    plain = pixels.to_rgb(picture)
    picture.info["icc_profile"] = profile
    assert pixels.to_rgb(picture).tobytes() == plain.tobytes()


def test_every_stranger_is_named_with_a_remedy():
    for mark, at, what, remedy in KINDS:
        said = stranger(bytes(at or 0) + mark + bytes(20))
        assert what in said
        assert said.endswith(f"here. {remedy}.")
    assert stranger(b"nothing that is known") is None
