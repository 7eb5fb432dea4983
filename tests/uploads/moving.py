"""Hostile clips, for the demos that take every frame."""

from __future__ import annotations

import struct
import zlib
from functools import partial

from PIL import Image

from tests.uploads.case import LIMITS, TAKEN, Case, case, encoded, scene
from tests.uploads.films import frames_of, gif_of, riff


def clip(format: str, size: tuple[int, int] = (96, 64), number: int = 6) -> bytes:
    """A good clip."""
    frames = [scene(size).rotate(7 * n) for n in range(number)]
    return encoded(frames[0], format, save_all=True, append_images=frames[1:])


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG, its sum right."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def announcing(number: int) -> bytes:
    """A good animated PNG that announces another number of frames."""
    data = clip("PNG")
    at = data.index(b"acTL") - 4
    return data[:at] + chunk(b"acTL", struct.pack(">II", number, 0)) + data[at + 20 :]


def cases() -> list[Case]:
    """All of them; what is no clip at all is in the other corpus."""
    nothing = Image.new("P", (4000, 3000))
    return [
        *(case(f"good.{kind.lower()}", partial(clip, kind)) for kind in ("GIF", "PNG", "WEBP")),
        case("one_frame_to_spare.png", partial(announcing, 7), "truncated"),
        case("4_billion_frames.png", partial(announcing, 2**32 - 1), "too_large", "truncated", TAKEN),
        case("no_frames_announced.png", partial(announcing, 0)),
        case("cut_in_the_third_frame.gif", lambda: clip("GIF")[:9000], "truncated"),
        case("cut_in_the_third_frame.webp", lambda: clip("WEBP")[:1500], "truncated", "not_an_image"),
        case("300_frames_of_a_megapixel.gif", partial(gif_of, (1000, 1000), *[(9, 9)] * 300), "too_large"),
        case("190_frames_of_a_megapixel.gif", partial(gif_of, (1000, 1000), *[(9, 9)] * 190), *LIMITS, "truncated"),
        case("16_frames_of_12_megapixels.gif", lambda: encoded(nothing, "GIF", save_all=True, append_images=[nothing.point(lambda v, n=n: n) for n in range(1, 16)]), *LIMITS, "truncated"),
        case("second_frame_beyond_the_screen.gif", partial(gif_of, (64, 48), (64, 48), (60000, 60000)), TAKEN, "truncated", "undecodable", "too_large"),
        case("100000_frames.gif", lambda: gif_of((64, 48), *[(64, 48)] * 100_000), *LIMITS, "truncated"),
        case("10000_frames.webp", partial(frames_of, 10_000), *LIMITS),
        case("frames_and_no_picture.webp", lambda: riff((b"ANIM", bytes(6)), (b"ANMF", bytes(16))), "truncated", "not_an_image"),
    ]
