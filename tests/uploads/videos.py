"""Hostile videos, for the demos that take clips."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from functools import cache, partial

from PIL import Image

from tests.recorded import PROTECTED, greys, held_upright, quarters, sound, video
from tests.uploads.case import TAKEN, Case, case, scene

DAMAGE = ("truncated", "unsupported", "empty", "too_large", "too_small", "undecodable")
FLIPS = 40  # damaged copies of each container
DURATION = 0xFFFFFFF0  # of a film, in its own units: 27 days at least


@cache
def film(container: str = "mp4", codec: str = "libx264", size: tuple[int, int] = (96, 64), n: int = 12, **more: str) -> bytes:
    """A good video of something that turns."""
    frames = [scene(size).rotate(7 * i) for i in range(n)]
    return video(frames, container, codec, **more)


def atom(data: bytes, name: bytes, at: int, value: bytes) -> bytes:
    """The QuickTime file with other bytes so far behind an atom's name."""
    place = data.index(name) + 4 + at
    return data[:place] + value + data[place + len(value) :]


def sides(data: bytes, w: int, h: int, codec: bytes = b"avc1") -> bytes:
    """The file with other sides announced."""
    return atom(data, codec, 24, struct.pack(">HH", w, h))


def flipped(data: bytes, seed: int, among: slice) -> bytes:
    """A few bytes changed in one part of a file."""
    dice, changed = random.Random(seed), bytearray(data)
    places: Sequence[int] = range(len(data))[among]
    for _ in range(8):
        changed[dice.choice(places)] = dice.randrange(256)
    return bytes(changed)


def damaged(container: str, codec: str) -> list[Case]:
    """Copies with errors in head, middle and end."""
    parts = (slice(16, 400), slice(-800, None), slice(16, None))
    return [
        case(f"flipped_{seed}.{container}", lambda seed=seed: flipped(film(container, codec), seed, parts[seed % 3]), TAKEN, "not_an_image", *DAMAGE, slow=seed >= 6)
        for seed in range(FLIPS)
    ]


def grown() -> bytes:
    """Small to the container, 4800 × 2400 to the decoder."""
    return sides(video([Image.new("RGB", (4800, 2400))] * 2), 96, 64)


def many(number: int) -> bytes:
    """A Motion JPEG of so many frames, all of them next to nothing."""
    data = video([quarters((16, 16))], "avi", "mjpeg", pixels="yuvj420p")
    movi = data.index(b"movi")
    frames = b"00dc\2\0\0\0\xff\xd8" * number
    body = data[: movi - 4] + struct.pack("<I", 4 + len(frames)) + b"movi" + frames
    return body[:4] + struct.pack("<I", len(body) - 8) + body[8:]


def nested(depth: int) -> bytes:
    """QuickTime boxes inside boxes."""
    sizes = range(8 * depth, 0, -8)
    return b"\0\0\0\x10ftypisom\0\0\2\0" + b"".join(struct.pack(">I", size) + b"moov" for size in sizes)


def announced() -> list[Case]:
    """What the index says is not what there is."""
    duration = struct.pack(">I", DURATION)
    return [
        case("65535_x_65535.mp4", lambda: sides(film(), 65535, 65535), TAKEN, "too_large", "truncated"),
        case("no_sides.mp4", lambda: sides(film(), 0, 0), TAKEN, *DAMAGE),
        case("larger_inside.mp4", grown, "too_large", "truncated"),
        case("declares_months.mp4", lambda: atom(film(), b"mvhd", 16, duration)),
        case("a_day_between_frames.mp4", lambda: atom(film(), b"stts", 12, b"\x7f\xff\xff\xff"), TAKEN, "truncated"),
        case("4_billion_frames.mp4", lambda: atom(film(), b"stsz", 8, b"\xff\xff\xff\xff"), *DAMAGE),
        case("frames_beyond_the_end.mp4", lambda: atom(film(), b"stco", 8, b"\x7f\xff\xff\xff"), *DAMAGE),
        case("index_in_itself.mp4", partial(nested, 50_000), *DAMAGE),
        case("size_without_end.webm", lambda: b"\x1aE\xdf\xa3\x01" + b"\xff" * 99, *DAMAGE),
        case("no_frames.mp4", lambda: atom(film(), b"stsz", 8, bytes(4)), *DAMAGE),
        case("playlist.mp4", lambda: b"\0\0\0\x18ftypisom\0\0\2\0#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", *DAMAGE),
        case("text.mp4", lambda: b"This is no film.\n" * 99, "not_an_image"),
        case("playlist.m3u8", lambda: b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n", "not_an_image"),
    ]


def honest() -> list[Case]:
    """Good files, and such as are good for something else."""
    kinds = {"mp4": "libx264", "mov": "libx265", "webm": "libvpx-vp9", "matroska": "libvpx", "avi": "mpeg4"}
    return [
        *(case(f"good.{kind}", partial(film, kind, codec)) for kind, codec in kinds.items()),
        case("upright.mov", lambda: held_upright(film("mov"))),
        case("one_frame.mp4", lambda: film(n=1)),
        case("300_frames.mp4", lambda: video(greys(300))),
        case("sound.mp4", sound, "unsupported"),
        case("song_with_a_cover.mp4", lambda: sound(cover=quarters()), "unsupported"),
        case("rare.mkv", partial(film, "matroska", "ffv1"), "unsupported"),
        case("protected.mp4", lambda: film(**PROTECTED), "unsupported"),
        case("8k.mov", lambda: video([Image.new("RGB", (4800, 2400))], "mov", "mpeg4"), "too_large"),
        case("speck.mov", partial(film, "mov", "mpeg4", (2, 2)), "too_small"),
        case("strip.mov", partial(film, "mov", "mpeg4", (1600, 16)), "too_small"),
        case("half.mp4", lambda: film(movflags="faststart")[:3000], "truncated"),
        case("half.webm", lambda: film("webm", "libvpx")[:2500], TAKEN, *DAMAGE),
        case("31000_frames.avi", partial(many, 31_000), "too_large", "undecodable"),
    ]


def cases() -> list[Case]:
    """All of them."""
    return [
        *honest(), *announced(), *damaged("mp4", "libx264"), *damaged("webm", "libvpx-vp9"),
        *damaged("avi", "mpeg4"),
    ]
