"""Hostile PNG files, chunk by chunk."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable
from functools import partial

from tests.uploads.case import LIMITS, TAKEN, Case, case, encoded, scene

MAGIC = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, RGBA = 0, 2, 3, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, RGBA: 4}


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    checksum = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def header(w: int, h: int, bits: int = 8, colour: int = RGB, interlaced: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, bits, colour, 0, 0, interlaced))


def packed(pieces: Iterable[bytes]) -> bytes:
    """zlib data of pieces that need not be in memory all at once."""
    press = zlib.compressobj(1)
    return b"".join(press.compress(piece) for piece in pieces) + press.flush()


def png(*between: bytes, w: int = 64, h: int = 48, rows: Iterable[bytes] | None = None, **head: int) -> bytes:
    """A PNG with chunks between header and pixels; black where no rows are given."""
    bits = head.get("bits", 8) * CHANNELS[head.get("colour", RGB)]
    if rows is None:
        rows = (bytes(1 + (w * bits + 7) // 8) for _ in range(h))
    return MAGIC + header(w, h, **head) + b"".join(between) + chunk(b"IDAT", packed(rows)) + chunk(b"IEND", b"")


def text_bomb(kind: bytes, before: bytes) -> bytes:
    """20 MB of text or profile in 20 KB."""
    return png(chunk(kind, before + packed([bytes(1 << 20)] * 20)))


def animated(frames: int) -> bytes:
    """An APNG whose every frame is one pixel, but for the first."""
    pixel, parts = zlib.compress(bytes(4)), []
    for n in range(frames):
        size = (64, 48) if n == 0 else (1, 1)
        parts.append(chunk(b"fcTL", struct.pack(">IIIIIHHBB", 2 * n, *size, 0, 0, 1, 10, 0, 0)))
        parts.append(chunk(b"IDAT", packed([bytes(193)] * 48)) if n == 0 else chunk(b"fdAT", struct.pack(">I", 2 * n + 1) + pixel))
    control = chunk(b"acTL", struct.pack(">II", frames, 0))
    return MAGIC + header(64, 48) + control + b"".join(parts) + chunk(b"IEND", b"")


def broken_checksum() -> bytes:
    good = png()
    at = good.index(b"IDAT") - 4
    return good[:at] + chunk(b"IDAT", packed([bytes(193)] * 48), crc=7) + chunk(b"IEND", b"")


def cases() -> list[Case]:
    """All of them."""
    long_rows = partial(map, lambda _: bytes(1 + 7000 * 4 * 2), range(8000))
    return [
        case("bomb_400mp.png", partial(png, w=20000, h=20000, rows=[bytes(9)], bits=1, colour=GREY), "too_large"),
        case("sides_of_two_thousand_million.png", partial(png, w=2**31 - 1, h=2**31 - 1, rows=[]), "too_large"),
        case("sides_with_a_sign.png", partial(png, w=2**32 - 1, h=2**32 - 1, rows=[]), "too_large", "truncated", "not_an_image"),
        case("no_sides.png", partial(png, w=0, h=0, rows=[]), "too_small", "truncated", "not_an_image"),
        case("bomb_56mp_1bit.png", partial(png, w=7000, h=8000, bits=1, colour=GREY), slow=True),
        case("bomb_56mp_rgba16.png", lambda: png(w=7000, h=8000, bits=16, colour=RGBA, rows=long_rows()), *LIMITS, slow=True),
        case("bomb_56mp_interlaced.png", partial(png, w=7000, h=8000, interlaced=1, rows=[bytes(1 << 20)] * 170), *LIMITS, slow=True),
        case("more_pixels_than_said.png", partial(png, rows=[bytes(1 << 20)] * 40), TAKEN, "truncated"),
        case("text_bomb.png", partial(text_bomb, b"zTXt", b"Comment\0\0"), "truncated"),
        case("international_text_bomb.png", partial(text_bomb, b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0"), "truncated"),
        case("profile_bomb.png", partial(text_bomb, b"iCCP", b"icc\0\0"), "truncated"),
        case("broken_profile.png", lambda: png(chunk(b"iCCP", b"icc\0\0" + zlib.compress(os.urandom(9000))))),
        case("profile_that_is_not_packed.png", lambda: png(chunk(b"iCCP", b"icc\0\0garbage"))),
        case("empty_profile.png", lambda: png(chunk(b"iCCP", b"")), TAKEN, "truncated", "not_an_image"),
        case("100000_texts.png", lambda: png(chunk(b"tEXt", b"Comment\0x") * 100_000), slow=True),
        case("10_mb_of_text.png", lambda: png(chunk(b"tEXt", b"Comment\0" + b"x" * 10**7))),
        case("script_in_a_text.png", lambda: png(chunk(b"tEXt", b"Comment\0<script>alert(1)</script><?php system(1) ?>"))),
        case("broken_exif.png", lambda: png(chunk(b"eXIf", b"II*\0\xff\xff\xff\xff" + bytes(40)))),
        case("broken_checksum.png", broken_checksum, TAKEN, "truncated"),
        case("no_palette.png", partial(png, colour=PALETTE), TAKEN, "truncated"),
        case("palette_of_one_byte.png", lambda: png(chunk(b"PLTE", b"x"), colour=PALETTE), TAKEN, "truncated"),
        case("too_much_transparency.png", lambda: png(chunk(b"PLTE", bytes(6)), chunk(b"tRNS", bytes(9999)), colour=PALETTE), TAKEN, "truncated"),
        case("unknown_colour_type.png", lambda: MAGIC + header(64, 48, 8, 5) + chunk(b"IDAT", b"x"), "not_an_image", "truncated"),
        case("pixels_that_are_not_packed.png", lambda: MAGIC + header(64, 48) + chunk(b"IDAT", os.urandom(9000)) + chunk(b"IEND", b""), "truncated"),
        case("no_pixels.png", lambda: MAGIC + header(64, 48) + chunk(b"IEND", b""), "truncated"),
        case("chunk_longer_than_the_file.png", lambda: MAGIC + header(64, 48) + struct.pack(">I", 2**31 - 1) + b"IDAT", "truncated"),
        case("10000_frames.png", partial(animated, 10_000)),
        case("frames_announced_and_missing.png", lambda: png(chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)))),
        case("16bit_rgb.png", partial(png, bits=16)),
        case("palette_with_transparency.png", lambda: encoded(scene(mode="P"), "PNG", transparency=3)),
        case("colour_key.png", lambda: encoded(scene(), "PNG", transparency=(0, 0, 0))),
        case("grey_and_alpha.png", lambda: encoded(scene(mode="LA"), "PNG")),
        case("one_bit.png", lambda: encoded(scene(mode="1"), "PNG")),
        case("1x1.png", partial(png, w=1, h=1), "too_small"),
        case("100000x1.png", partial(png, w=100_000, h=1, rows=[bytes(9)]), "too_small"),
        case("7000000x8.png", partial(png, w=7_000_000, h=8, rows=[bytes(9)]), "too_small"),
        case("wrong_magic.png", lambda: b"\x88" + png()[1:], "not_an_image"),
    ]
