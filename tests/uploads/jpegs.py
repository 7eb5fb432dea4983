"""Hostile JPEG files, segment by segment."""

from __future__ import annotations

import os
import struct
from functools import partial

from PIL import Image

from tests.uploads.case import LIMITS, TAKEN, Case, case, encoded, jpeg, scene

ICC = b"ICC_PROFILE\0"
EXIF = b"Exif\0\0"
XMP = b"http://ns.adobe.com/xap/1.0/\0"


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def with_segments(*segments: bytes) -> bytes:
    """A good JPEG with these right after its start."""
    good = jpeg()
    return good[:2] + b"".join(segments) + good[2:]


def resized(w: int, h: int, good: bytes | None = None) -> bytes:
    """A good JPEG whose header says other sides."""
    good = good or jpeg()
    at = next(good.index(m) for m in (b"\xff\xc0", b"\xff\xc2") if m in good) + 5
    return good[:at] + struct.pack(">HH", h, w) + good[at + 4 :]


def many_scans(w: int, h: int, scans: int) -> bytes:
    """A progressive JPEG that repaints itself again and again."""
    good = resized(w, h, jpeg(progressive=True))
    start = good.rindex(b"\xff\xda")
    return good[:start] + good[start:-2] * scans + good[-2:]


def looping_exif() -> bytes:
    """Directories that name each other, and themselves as their own parts."""
    entries = [(0x8769, 4, 1, 8), (0x8825, 4, 1, 8), (0xA005, 4, 1, 8), (0x0112, 3, 1, 6)]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *e) for e in entries)
    return with_segments(segment(0xE1, EXIF + b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", 8)))


def counted_exif() -> bytes:
    """A directory whose values have four thousand million members."""
    entry = struct.pack("<HHII", 0x0112, 12, 2**32 - 1, 8)
    return with_segments(segment(0xE1, EXIF + b"II*\0\x08\0\0\0" + struct.pack("<H", 65535) + entry * 9))


def profile(size: int) -> bytes:
    """A profile of random bytes, in as many segments as it takes."""
    pieces = [os.urandom(min(60_000, size - at)) for at in range(0, size, 60_000)]
    return with_segments(*(segment(0xE2, ICC + bytes([n + 1, len(pieces)]) + p) for n, p in enumerate(pieces)))


def thumbnail() -> bytes:
    """EXIF that carries a picture of its own."""
    exif = Image.Exif()
    exif[0x0112] = 6
    ifd1 = exif.get_ifd(0x014A)
    ifd1[0x0201] = 0
    return encoded(scene(), "JPEG", exif=exif.tobytes() + jpeg())


def cases() -> list[Case]:
    """All of them."""
    end = jpeg()[-2:]
    return [
        case("bomb_65535x65535.jpg", partial(resized, 65535, 65535), "too_large"),
        case("sides_larger_than_the_data.jpg", partial(resized, 7000, 8000), TAKEN, "truncated"),
        case("no_sides.jpg", partial(resized, 0, 0), "too_small", "truncated", "not_an_image"),
        case("5000_scans_of_56_mp.jpg", partial(many_scans, 7000, 8000, 5000), *LIMITS, "truncated", slow=True),
        case("2000_scans.jpg", partial(many_scans, 960, 640, 2000), *LIMITS, "truncated", slow=True),
        case("48_mp_progressive.jpg", lambda: encoded(scene((800, 600)).resize((8000, 6000)), "JPEG", progressive=True), *LIMITS, slow=True),
        case("300000_comments.jpg", lambda: with_segments(segment(0xFE, b"x") * 300_000), *LIMITS, slow=True),
        case("20_mb_of_comments.jpg", lambda: with_segments(segment(0xFE, b"x" * 65000) * 300)),
        case("script_in_a_comment.jpg", lambda: with_segments(segment(0xFE, b"<script>alert(1)</script>"))),
        case("10_mb_of_xmp.jpg", lambda: with_segments(*[segment(0xE1, XMP + b"<x/>" * 15000)] * 160)),
        case("entities_in_xmp.jpg", lambda: with_segments(segment(0xE1, XMP + b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><a>&d;</a>'))),
        case("looping_exif.jpg", looping_exif),
        case("exif_of_four_thousand_million.jpg", counted_exif),
        case("exif_of_random_bytes.jpg", lambda: with_segments(segment(0xE1, EXIF + os.urandom(60_000)))),
        case("exif_with_a_thumbnail.jpg", thumbnail),
        case("profile_of_15_mb.jpg", partial(profile, 15_000_000)),
        case("profile_of_random_bytes.jpg", partial(profile, 3000)),
        case("segment_longer_than_the_file.jpg", lambda: jpeg()[:2] + b"\xff\xe1\xff\xff" + b"x" * 99, "truncated", "not_an_image"),
        case("segment_of_no_length.jpg", lambda: jpeg()[:2] + b"\xff\xe1\0\0" * 99 + jpeg()[2:], TAKEN, "truncated", "not_an_image"),
        case("no_tables.jpg", lambda: jpeg().replace(b"\xff\xc4", b"\xff\xfe"), TAKEN, "truncated"),
        case("255_components.jpg", lambda: jpeg().replace(struct.pack(">HH", 64, 96) + b"\3", struct.pack(">HH", 64, 96) + b"\xff"), "truncated", "not_an_image"),
        case("12_bits.jpg", lambda: jpeg().replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"), "truncated", "not_an_image"),
        case("arithmetic_coding.jpg", lambda: jpeg().replace(b"\xff\xc0", b"\xff\xc9"), TAKEN, "truncated", "not_an_image"),
        case("several_pictures.jpg", lambda: encoded(scene(), "MPO", save_all=True, append_images=[scene()])),
        case("cmyk.jpg", lambda: encoded(scene(mode="CMYK"), "JPEG")),
        case("cmyk_without_adobes_mark.jpg", lambda: encoded(scene(mode="CMYK"), "JPEG").replace(b"Adobe", b"Xdobe")),
        case("ycck.jpg", lambda: encoded(scene(mode="CMYK"), "JPEG").replace(b"Adobe\0\x64\0\0\0\0\0", b"Adobe\0\x64\0\0\0\0\2")),
        case("only_the_magic.jpg", lambda: b"\xff\xd8\xff", "not_an_image", "truncated"),
        case("only_the_end.jpg", lambda: jpeg()[:2] + end, "not_an_image", "truncated"),
    ]
