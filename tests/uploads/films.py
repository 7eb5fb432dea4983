"""Hostile GIF and WebP files: frames larger than the screen, frames without end."""

from __future__ import annotations

import struct
from functools import partial

from PIL import Image

from tests.uploads.case import LIMITS, TAKEN, Case, case, encoded, gif, scene

BLACK = b"\x02\x02\x44\x01\x00"  # LZW of a few black pixels


def gif_of(screen: tuple[int, int], *frames: tuple[int, int]) -> bytes:
    """A GIF in two colours whose frames hold next to nothing."""
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + bytes(3) + b"\xff" * 3
    parts = (b"," + struct.pack("<HHHHB", 0, 0, *size, 0) + BLACK for size in frames)
    return head + b"".join(parts) + b";"


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of these chunks."""
    parts = (kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks)
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def extended(w: int, h: int, flags: int = 0) -> tuple[bytes, bytes]:
    """The chunk that announces a canvas."""
    sides = (w - 1).to_bytes(3, "little") + (h - 1).to_bytes(3, "little")
    return b"VP8X", bytes([flags, 0, 0, 0]) + sides


def inner(image: Image.Image, **options: object) -> tuple[bytes, bytes]:
    """The chunk with the pixels of a WebP that Pillow makes."""
    data = encoded(image, "WEBP", **options)
    return data[12:16], data[20 : 20 + struct.unpack("<I", data[16:20])[0]]


def frames_of(number: int) -> bytes:
    """A WebP of many frames of 16 × 16."""
    kind, data = inner(scene((16, 16)), lossless=True)
    place = bytes(6) + (15).to_bytes(3, "little") * 2 + (10).to_bytes(3, "little") + b"\0"
    frame = (b"ANMF", place + kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2))
    return riff(extended(16, 16, 2), (b"ANIM", bytes(6)), *[frame] * number)


def with_chunks(*more: tuple[bytes, bytes], flags: int) -> bytes:
    """A good WebP with metadata."""
    return riff(extended(96, 64, flags), *more[:1], inner(scene()), *more[1:])


def cases() -> list[Case]:
    """All of them."""
    lossless = b"\x2f" + struct.pack("<I", 16383 | 16383 << 14)
    return [
        case("bomb_65535x65535.gif", partial(gif_of, (65535, 65535), (9, 9)), "too_large"),
        case("frame_larger_than_the_screen.gif", partial(gif_of, (64, 48), (60000, 60000)), "too_large"),
        case("second_frame_larger_than_the_screen.gif", partial(gif_of, (64, 48), (64, 48), (60000, 60000)), TAKEN, "truncated"),
        case("56_mp_of_nothing.gif", partial(gif_of, (7000, 8000), (7000, 8000)), *LIMITS, "truncated", slow=True),
        case("bomb_56mp.gif", lambda: encoded(Image.new("P", (7000, 8000)), "GIF"), *LIMITS, slow=True),
        case("10000_frames.gif", lambda: gif_of((64, 48), *[(64, 48)] * 10_000), TAKEN, "truncated"),
        case("no_sides.gif", partial(gif_of, (0, 0), (0, 0)), "too_small", "truncated", "not_an_image"),
        case("no_frames.gif", partial(gif_of, (64, 48)), "truncated", "not_an_image"),
        case("2_million_comments.gif", lambda: gif()[:-1] + b"!\xfe\1x\0" * 2_000_000 + b";"),
        case("2_million_comments_first.gif", lambda: b"GIF89a@\x000\0\0\0\0" + b"!\xfe\1x\0" * 2_000_000 + b";", *LIMITS, "truncated", "not_an_image", slow=True),
        case("block_without_end.gif", lambda: gif()[:-3] + b"\xff" * 9, TAKEN, "truncated"),
        case("wrong_code_size.gif", lambda: gif_of((64, 48), (64, 48)).replace(BLACK, b"\x0d\x02\x44\x01\x00"), TAKEN, "truncated"),
        case("bomb_16383x16383.webp", partial(riff, (b"VP8L", lossless + bytes(99))), "too_large"),
        case("canvas_of_16_million.webp", lambda: riff(extended(1 << 24, 1 << 24), inner(scene())), "too_large", "truncated"),
        case("canvas_of_170_mp.webp", lambda: riff(extended(13000, 13000, 2), (b"ANIM", bytes(6)), (b"ANMF", bytes(16) + b"VP8L\0\0\0\0")), "too_large", "truncated"),
        case("no_frame.webp", lambda: riff(extended(64, 48)), "truncated"),
        case("10000_frames.webp", partial(frames_of, 10_000)),
        case("bomb_56mp.webp", lambda: encoded(Image.new("RGB", (7000, 8000)), "WEBP", lossless=True, method=0), *LIMITS, slow=True),
        case("20_mb_of_exif.webp", lambda: with_chunks((b"ICCP", b"x" * 99), (b"EXIF", bytes(20_000_000)), flags=0x28)),
        case("profile_of_20_mb.webp", lambda: with_chunks((b"ICCP", bytes(20_000_000)), flags=0x20)),
        case("length_beyond_the_end.webp", lambda: b"RIFF\xff\xff\xff\xffWEBPVP8L\xff\xff\xff\xff/", "truncated", "not_an_image"),
    ]
