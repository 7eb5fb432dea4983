"""Clips in: the frames of an animated picture or a video, few and small enough.

A clip is kept as an animated PNG, so wherever one picture is looked for there is one:
its first frame.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageOps

from demos.intake.images import ImageError, check_bytes, decode, opened
from demos.intake.packing import NOTE
from demos.intake.pixels import smooth, to_rgb
from demos.intake.sampling import is_note
from demos.intake.strangers import reader
from demos.specs import CLIP_FRAMES, CLIP_PIXELS, CLIP_SIDE

ANIMATED = ("GIF", "PNG", "WEBP")


def read(path: Path) -> list[Image.Image]:
    """The frames in a file, as `decode_frames` gives them. Raises ImageError."""
    with path.open("rb") as file:
        return decode_frames(file)


def decode_frames(file: BinaryIO) -> list[Image.Image]:
    """The frames of a video or an animated picture, as `images.decode` has pictures.

    Of more than CLIP_FRAMES that many, evenly picked, and no side above CLIP_SIDE. What
    does not move is one frame, in full size. What the frames are of a video is said
    in the first one's info, also where they come from a clip that was stored before.
    Raises ImageError.
    """
    check_bytes(file)
    container = reader(file.read(32))
    file.seek(0)
    if container:
        # FFmpeg costs a fifth of a second and thirty megabytes: for videos alone.
        from demos.intake import film

        frames, said = film.decode(file, container)
        frames[0].info[NOTE] = said
        return frames
    with opened(file) as image:
        shown = numbers(image)
        if len(shown) > 1:
            said = str(image.info.get(NOTE, ""))
            clip = [frame(image, n) for n in evenly(shown, CLIP_FRAMES)]
            if is_note(said):
                clip[0].info[NOTE] = said
            return clip
    file.seek(0)
    return [decode(file)]


def numbers(image: Image.Image) -> range:
    """Numbers of the frames that are shown one after another. Raises ImageError."""
    if image.format not in ANIMATED:
        return range(1)  # a TIFF's pages are no clip
    try:
        total = getattr(image, "n_frames", 1)
    except Exception as error:  # a GIF is read to its end for this
        raise damaged() from error
    if image.width * image.height * total > CLIP_PIXELS:
        raise ImageError(
            "too_large",
            f"The clip has {total} frames of {image.width} × {image.height} pixels; at "
            f"most {CLIP_PIXELS // 10**6} million pixels together can be read. Cut it "
            "shorter, or scale it down.",
        )
    # The first picture of a PNG may be one for readers that know of no animation.
    return range(int(bool(image.info.get("default_image"))), total)


def evenly(shown: range, most: int) -> list[int]:
    """At most so many of the numbers, the first and the last among them."""
    few = min(len(shown), most)
    return [shown[round(i * (len(shown) - 1) / max(1, few - 1))] for i in range(few)]


def frame(image: Image.Image, number: int) -> Image.Image:
    """One frame, small, upright and in sRGB. Raises ImageError."""
    try:
        image.seek(number)
        one = smooth(image.copy())
        one.thumbnail((CLIP_SIDE, CLIP_SIDE), Image.Resampling.LANCZOS)
    except MemoryError as error:
        raise ImageError(
            "too_large",
            "The clip takes more memory to decode than one may have: scale it down.",
        ) from error
    except Exception as error:  # broken files make decoders raise nearly anything
        raise damaged() from error
    with contextlib.suppress(Exception):  # a broken EXIF block spoils no picture
        one = ImageOps.exif_transpose(one)
    rgb = to_rgb(one)
    rgb.info.clear()
    return rgb


def damaged() -> ImageError:
    """The error for what ends too early."""
    return ImageError("truncated", "The clip is damaged or cut off: send it again.")
