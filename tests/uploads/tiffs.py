"""Hostile TIFF and BMP files: directories that loop, strips without end."""

from __future__ import annotations

import struct
import zlib
from functools import partial

import numpy as np
from PIL import Image

from tests.uploads.case import LIMITS, TAKEN, Case, case, encoded, scene

NONE, DEFLATE, PACKBITS = 1, 8, 32773


def entry(tag: int, kind: int, count: int, value: int) -> bytes:
    return struct.pack("<HHII", tag, kind, count, value)


def tiff(w: int, h: int, data: bytes, packing: int = DEFLATE, following: int = 0, *more: bytes) -> bytes:
    """A grey TIFF in one strip. following: offset of the next directory."""
    fields = [
        entry(256, 4, 1, w), entry(257, 4, 1, h), entry(258, 3, 1, 8), entry(259, 3, 1, packing),
        entry(262, 3, 1, 1), entry(273, 4, 1, 8), entry(277, 3, 1, 1), entry(278, 4, 1, h),
        entry(279, 4, 1, len(data)), *more,
    ]
    directory = struct.pack("<H", len(fields)) + b"".join(fields) + struct.pack("<I", following)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory


def many_strips(w: int, h: int) -> bytes:
    """Every row a strip of its own, and all of them the same bytes."""
    row = zlib.compress(bytes(w))
    tables = struct.pack(f"<{h}I", *[8] * h) + struct.pack(f"<{h}I", *[len(row)] * h)
    at = 8 + len(row)
    fields = [
        entry(256, 4, 1, w), entry(257, 4, 1, h), entry(258, 3, 1, 8), entry(259, 3, 1, DEFLATE),
        entry(262, 3, 1, 1), entry(273, 4, h, at), entry(277, 3, 1, 1), entry(278, 4, 1, 1),
        entry(279, 4, h, at + 4 * h),
    ]
    directory = struct.pack("<H", len(fields)) + b"".join(fields) + bytes(4)
    return b"II*\0" + struct.pack("<I", at + len(tables)) + row + tables + directory


def looping() -> bytes:
    """A directory that is its own next one."""
    data = zlib.compress(bytes(64 * 48))
    return tiff(64, 48, data, DEFLATE, 8 + len(data))


def looping_parts() -> bytes:
    """A directory that is its own EXIF part, GPS part and child."""
    data = bytes(64 * 48)
    own = 8 + len(data)
    return tiff(64, 48, data, NONE, own, entry(330, 4, 1, own), entry(34665, 4, 1, own), entry(34853, 4, 1, own))


def counted() -> bytes:
    """Tables of four thousand million strips."""
    whole = tiff(64, 48, bytes(64 * 48), NONE)
    return whole.replace(entry(273, 4, 1, 8), entry(273, 4, 2**32 - 1, 8))


def pages(number: int) -> bytes:
    """Many directories, one after the other, all of the same pixels."""
    data = bytes(64 * 48)
    whole = tiff(64, 48, data, NONE)
    start = 8 + len(data)
    length = len(whole) - start
    offsets = [start + n * length for n in range(1, number)]
    directory = whole[start:-4]
    return whole[:start] + b"".join(directory + struct.pack("<I", at) for at in [*offsets, 0])


def floats() -> bytes:
    values = np.linspace(-1, 2, 64 * 48, dtype=np.float32).reshape(48, 64)
    values[0, :3] = np.nan, np.inf, -np.inf
    return encoded(Image.fromarray(values), "TIFF")


def bmp(w: int, h: int, pixels: bytes, packing: int = 0, bits: int = 24) -> bytes:
    """A BMP; with eight bits it has a grey palette."""
    palette = b"".join(bytes([n, n, n, 0]) for n in range(256)) if bits == 8 else b""
    start = 54 + len(palette)
    head = struct.pack("<IiiHHIIiiII", 40, w, h, 1, bits, packing, len(pixels), 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + head + palette + pixels


def cases() -> list[Case]:
    """All of them."""
    rows = bytes(64 * 48 * 3)
    return [
        case("bomb_400mp.tif", lambda: tiff(20000, 20000, zlib.compress(bytes(10**6))), "too_large"),
        case("bomb_56mp_deflate.tif", lambda: tiff(7000, 8000, zlib.compress(bytes(56 * 10**6), 1)), *LIMITS, slow=True),
        case("bomb_56mp_packbits.tif", lambda: tiff(7000, 8000, b"\x81\0" * (56 * 10**6 // 128), PACKBITS), *LIMITS, slow=True),
        case("55000_strips.tif", partial(many_strips, 1000, 55_000), *LIMITS, slow=True),
        case("10000_pages.tif", partial(pages, 10_000)),
        case("looping_directories.tif", looping),
        case("looping_parts.tif", looping_parts),
        case("four_thousand_million_strips.tif", counted, TAKEN, "truncated", "not_an_image"),
        case("strip_beyond_the_end.tif", lambda: tiff(64, 48, b"", NONE), TAKEN, "truncated"),
        case("directory_beyond_the_end.tif", lambda: b"II*\0\xff\xff\xff\x7f", "not_an_image", "truncated"),
        case("directory_of_65535_fields.tif", lambda: b"II*\0\x08\0\0\0\xff\xff" + entry(256, 4, 1, 9) * 9, "not_an_image", "truncated"),
        case("no_directory.tif", lambda: b"II*\0" + bytes(4), "not_an_image", "truncated"),
        case("unknown_packing.tif", lambda: tiff(64, 48, bytes(99), 34712), "truncated", "not_an_image"),
        case("bomb_inside_a_strip.tif", lambda: tiff(64, 48, zlib.compress(bytes(2 * 10**7))), TAKEN, "truncated"),
        case("floats.tif", floats),
        case("32bit.tif", lambda: encoded(Image.new("I", (64, 48), 2**30), "TIFF")),
        case("16bit.tif", lambda: encoded(Image.new("I;16", (64, 48), 40_000), "TIFF")),
        case("lab.tif", lambda: encoded(Image.new("LAB", (64, 48), (150, 90, 20)), "TIFF")),
        case("cmyk.tif", lambda: encoded(scene(mode="CMYK"), "TIFF")),
        case("jpeg_inside.tif", lambda: encoded(scene(), "TIFF", compression="jpeg")),
        case("negative_height.bmp", partial(bmp, 64, -48, rows)),
        case("lowest_height.bmp", partial(bmp, 64, -(2**31), rows), "too_large", "truncated", "not_an_image"),
        case("bomb_two_thousand_million.bmp", partial(bmp, 2**31 - 1, 2**31 - 1, rows), "too_large"),
        case("negative_width.bmp", partial(bmp, -64, 48, rows), "too_large", "truncated", "not_an_image"),
        case("no_sides.bmp", partial(bmp, 0, 0, rows), "too_small", "truncated", "not_an_image"),
        case("56_mp_announced.bmp", partial(bmp, 7000, 8000, rows), "truncated"),
        case("runs_of_one_pixel.bmp", lambda: bmp(3500, 3500, b"\1\x07" * 12_250_000, 1, 8), *LIMITS, "truncated", slow=True),
        case("runs_beyond_the_edge.bmp", lambda: bmp(64, 48, b"\xff\x07" * 9999, 1, 8), TAKEN, "truncated"),
        case("unknown_packing.bmp", partial(bmp, 64, 48, rows, 99), "truncated", "not_an_image"),
        case("0_bits.bmp", partial(bmp, 64, 48, rows, 0, 0), "truncated", "not_an_image"),
    ]
