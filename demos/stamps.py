"""What a result's PNG says of itself, so that a picture alone can be run again.

A text chunk (iTXt, uncompressed, a Latin keyword as the PNG standard has them),
`vitrine`, is JSON with demo, paper, options, seed, weights and code version. The first
picture of a result has a chunk `vtIn` too, once for each picture that was sent: a PNG
as it is, behind the pixels, so that a page shows these before it has all of that.
Nothing here decompresses or decodes, so reading a stranger's file costs no more than
its bytes.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, PngImagePlugin

from demos.intake.packing import NOTE
from demos.intake.packing import write as write_frames

ABOUT, INPUT = "vitrine", b"vtIn"  # the small letters say: private, safe to copy
INPUT_SIDE = 512          # a longer picture is reduced before it goes along
MAX_ABOUT = 64 * 1024     # bytes read of either chunk, and how many chunks are
MAX_INPUT = 1536 * 1024
MAX_CHUNKS = 4096
MAX_INPUTS = 4
SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Compression level 1 that looks for runs alone: a quarter faster than level 2 on these
# pictures, and smaller.
PACKING = {"compress_level": 1, "compress_type": zlib.Z_RLE}


@dataclass(frozen=True)
class Stamp:
    """How a picture was made. picture: what was sent, a PNG of at most INPUT_SIDE.

    The values are a stranger's: options are to be checked, pictures to be read as
    uploads are.
    """

    demo: str
    paper: str
    options: dict[str, object]
    picture: bytes | None  # None in all but the first picture of a result
    code_version: str
    weights: str
    others: tuple[bytes, ...] = ()  # the further pictures of a demo that takes several


def write(
    file: Path,
    picture: Image.Image,
    about: Mapping[str, object],
    inputs: Sequence[Sequence[Image.Image]] = (),
) -> None:
    """Write a picture as PNG with its stamp.

    about: what `read` gives back, JSON. inputs: pictures to take along, the frames of
    each, reduced to INPUT_SIDE and else unchanged; `about["inputs"]` says their sizes.
    """
    info = PngImagePlugin.PngInfo()
    carried = [carry(frames) for frames in inputs]
    along = {"inputs": [words for _, words in carried]} if inputs else {}
    info.add_itxt(ABOUT, json.dumps({**about, **along}, ensure_ascii=False))
    for data, _ in carried:
        info.add(INPUT, data, after_idat=True)
    # A partial picture may be on its way to a page while it is written anew.
    fresh = file.with_suffix(".part")
    picture.save(fresh, "PNG", pnginfo=info, **PACKING)
    fresh.replace(file)


def carry(frames: Sequence[Image.Image]) -> tuple[bytes, str]:
    """A picture or clip as PNG, and what was done to it, in words.

    One picture always fits into MAX_INPUT; a clip is reduced until it does.
    """
    side = INPUT_SIDE
    while True:
        small = [reduced(frame, side) for frame in frames]
        buffer = io.BytesIO()
        write_frames(small, buffer, PACKING)
        if buffer.tell() <= MAX_INPUT:
            return buffer.getvalue(), said(frames, small)
        side = max(small[0].size) * 3 // 4


def reduced(picture: Image.Image, side: int) -> Image.Image:
    """The picture with no side above `side`, and no metadata but what it is of a video.
    """
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    small.info = {name: said for name, said in picture.info.items() if name == NOTE}
    return small


def said(frames: Sequence[Image.Image], small: Sequence[Image.Image]) -> str:
    """What was done to an input, in words."""
    was, now = (f"{w} × {h}" for w, h in (frames[0].size, small[0].size))
    reduction = f", reduced from {was}" if was != now else ""
    number = f"{len(small)} frames of " if len(small) > 1 else ""
    return f"{number}{now} pixels, lossless{reduction}"


def read(data: bytes) -> Stamp | None:
    """The stamp of a file, or None where there is none that can be used.

    data: any bytes. Never raises.
    """
    abouts, inputs = [], []
    for kind, body in chunks(data):
        if kind == INPUT and len(body) <= MAX_INPUT:
            inputs.append(body)
        elif kind == b"iTXt" and len(body) <= MAX_ABOUT:
            abouts += [text for keyword, text in plain_text(body) if keyword == ABOUT]
    try:
        return checked(json.loads(abouts[0]), inputs[:MAX_INPUTS])
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of each chunk of ours, and of each international text, if whole."""
    at = len(SIGNATURE)
    if not data.startswith(SIGNATURE):
        return
    for _ in range(MAX_CHUNKS):
        length = int.from_bytes(data[at : at + 4])
        kind, end = data[at + 4 : at + 8], at + 8 + length
        if len(data) < end + 4:
            return
        if kind in (b"iTXt", INPUT):
            body = data[at + 8 : end]
            if zlib.crc32(body, zlib.crc32(kind)).to_bytes(4) == data[end : end + 4]:
                yield kind, body
        at = end + 4


def plain_text(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Keyword and text of an iTXt chunk, where it is not compressed."""
    # keyword 0 compressed? method language 0 translated keyword 0 text
    keyword, _, rest = body.partition(b"\0")
    parts = rest[2:].split(b"\0", 2)
    if rest[:1] == b"\0" and len(parts) == 3:
        yield keyword.decode("latin-1"), parts[2]


def checked(about: object, inputs: Sequence[bytes]) -> Stamp:
    """The stamp in parsed JSON. Raises ValueError, KeyError, TypeError."""
    if not isinstance(about, dict) or not isinstance(about["weights"], dict):
        raise TypeError("no stamp")
    words = [about[name] for name in ("demo", "paper", "code_version")]
    words.append(about["weights"]["name"])
    options = about["options"]
    plain = isinstance(options, dict) and all(
        isinstance(value, str | int | float) for value in options.values()
    )
    if not plain or not all(isinstance(word, str) for word in words):
        raise TypeError("no stamp")
    demo, paper, code_version, weights = words
    picture, others = inputs[0] if inputs else None, tuple(inputs[1:])
    return Stamp(demo, paper, options, picture, code_version, weights, others)
