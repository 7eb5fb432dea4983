"""What a PNG says of itself, and what strangers may write there instead."""

import io
import json
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from demos import stamps

ABOUT = {
    "demo": "attention", "paper": "dino", "options": {"mass": 0.3, "view": "mean", "layer": -1},
    "seed": 0, "weights": {"name": "größe", "trained": True}, "code_version": "abc",
}


def written(tmp_path, picture, *inputs, **other):
    stamps.write(tmp_path / "r.png", picture, {**ABOUT, **other}, [[one] for one in inputs])
    return (tmp_path / "r.png").read_bytes()


def test_what_was_written_is_read(tmp_path, picture):
    stamp = stamps.read(written(tmp_path, picture))
    assert stamp == stamps.Stamp("attention", "dino", ABOUT["options"], None, "abc", "größe")


def test_the_pixels_are_the_pictures_own(tmp_path, picture):
    assert Image.open(io.BytesIO(written(tmp_path, picture, picture))).tobytes() == picture.tobytes()


def test_a_small_input_comes_back_pixel_for_pixel(tmp_path, picture):
    stamp = stamps.read(written(tmp_path, picture, picture))
    assert Image.open(io.BytesIO(stamp.picture)).tobytes() == picture.tobytes()


def test_a_large_input_is_reduced_and_that_is_said(tmp_path, picture):
    data = written(tmp_path, picture, picture.resize((1200, 900)))
    assert Image.open(io.BytesIO(stamps.read(data).picture)).size == (512, 384)
    said = json.loads(Image.open(io.BytesIO(data)).text["vitrine"])["inputs"]
    assert said == ["512 × 384 pixels, lossless, reduced from 1200 × 900"]


def test_metadata_of_the_input_stays_behind(tmp_path, picture):
    picture.info["icc_profile"] = b"secret " * 10
    stamp = stamps.read(written(tmp_path, picture.copy(), picture))
    assert b"secret" not in zlib_free(stamp.picture)


def zlib_free(png):
    """Every chunk of a PNG, decompressed where it can be."""
    return png + b"".join(str(v).encode() for v in Image.open(io.BytesIO(png)).info.values())


def test_two_inputs_come_back_in_their_order(tmp_path, picture):
    stamp = stamps.read(written(tmp_path, picture, picture, picture.transpose(0)))
    [other] = stamp.others
    assert Image.open(io.BytesIO(other)).tobytes() == picture.transpose(0).tobytes()


# Hostile


def chunk(kind, body):
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)


def text(keyword, value, packed=False):
    body = zlib.compress(value) if packed else value
    return chunk(b"iTXt", keyword + b"\0" + bytes([packed]) + b"\0\0\0" + body)


def png(*chunks):
    return stamps.SIGNATURE + b"".join(chunks) + chunk(b"IEND", b"")


GOOD = json.dumps(ABOUT).encode()


def test_a_stamp_after_the_pixels_is_found_too():
    assert stamps.read(png(chunk(b"IDAT", b"x"), text(b"vitrine", GOOD))).demo == "attention"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x89PNG", b"<html>" * 100, png(), png(text(b"other", GOOD)),
        png(text(b"vitrine", b"{")), png(text(b"vitrine", b"[" * 50_000)),
        png(text(b"vitrine", b"null")), png(text(b"vitrine", b"\xff\xfe")),
        png(text(b"vitrine", b"{}")), png(text(b"vitrine", b"9" * 5000)),
        png(text(b"vitrine", json.dumps({**ABOUT, "options": []}).encode())),
        png(text(b"vitrine", json.dumps({**ABOUT, "options": {"mass": [1]}}).encode())),
        png(text(b"vitrine", json.dumps({**ABOUT, "weights": "x"}).encode())),
        png(text(b"vitrine", json.dumps({**ABOUT, "demo": 7}).encode())),
        png(text(b"vitrine", GOOD + b" " * stamps.MAX_ABOUT)),
        png(text(b"vitrine", b" " * 10**7 + GOOD, packed=True)),
        png(*[chunk(b"tEXt", b"")] * stamps.MAX_CHUNKS, text(b"vitrine", GOOD)),
        png(text(b"vitrine", GOOD)).replace(b"attention", b"Attention"),
        stamps.SIGNATURE + b"\xff\xff\xff\xffiTXtvitrine",
    ],
    ids=range(20),
)
def test_what_is_no_stamp_is_none(data):
    assert stamps.read(data) is None


def test_an_input_beyond_the_limit_is_left_out():
    for size, wanted in ((stamps.MAX_INPUT, True), (stamps.MAX_INPUT + 1, False)):
        stamp = stamps.read(png(text(b"vitrine", GOOD), chunk(b"vtIn", bytes(size))))
        assert (stamp.picture is not None) == wanted


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(noise):
    whole = bytearray(png(text(b"vitrine", GOOD), chunk(b"vtIn", b"a picture")))
    for data in (noise, stamps.SIGNATURE + noise, png(text(b"vitrine", noise)), png(chunk(b"iTXt", noise))):
        stamps.read(data)
    for n, byte in enumerate(noise):
        whole[(n * 7919 + byte) % len(whole)] ^= byte
    stamps.read(bytes(whole))


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ABOUT, "name"]), inner, max_size=6), max_leaves=12))
def test_no_json_makes_it_raise(value):
    stamp = stamps.read(png(text(b"vitrine", json.dumps(value).encode())))
    assert stamp is None or isinstance(stamp.demo, str)


def test_reading_a_large_file_copies_it_about_once(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (1500, 1500, 3), np.uint8))
    data = written(tmp_path, noise, noise)
    assert len(data) > 5_000_000
    assert stamps.read(data).picture is not None


def test_the_pixels_stand_before_what_was_sent(tmp_path, picture):
    data = written(tmp_path, picture, picture)
    assert data.index(b"IDAT") < data.index(b"vtIn") < data.index(b"IEND")
