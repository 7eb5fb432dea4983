"""Pictures in: refuse what is broken or too large, make the rest plain RGB, fit it.

Nothing here trusts the file name; the header is checked before a pixel is decoded.
Some files can crash a decoder all the same, so for the files of strangers this is done
in a process of its own: demos/intake/decoder.py.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from demos.intake.pixels import MAX_PROFILE, smooth, to_rgb
from demos.intake.strangers import stranger
from demos.specs import IMAGE_FORMATS, MAX_BYTES, MAX_PIXELS, MIN_SIDE

# With these at hand Pillow looks for no others, of which it has forty.
READERS = (
    BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin,
    WebPImagePlugin,
)

# More pixels are reduced to this many while reading: five times what the largest demo
# looks at, and twice what it shows.
WORKING_PIXELS = 1 << 20
MAX_ASPECT = 64
DISPLAY_SIDE = 640   # the longer side of pictures for people

# Pillow refuses, also in the middle of a file, what has twice as many pixels as this,
# and warns from here on.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Profiles and texts inside a PNG are compressed; beyond this it counts as a bomb.
PngImagePlugin.MAX_TEXT_CHUNK = MAX_PROFILE


class ImageError(ValueError):
    """A picture that cannot be used; the message says what to do about it.

    code: empty | not_an_image | unsupported | too_large | truncated | too_small
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Fitted:
    """A picture cut to whole patches, once for the model and once for people.

    image: sides are multiples of the patch. display: the same cut, `zoom` times larger.
    note: what was done to it, as a sentence for the caption.
    """

    image: Image.Image
    display: Image.Image
    zoom: int
    note: str

    def grid(self, patch: int) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.image.height // patch, self.image.width // patch


def read(path: Path) -> Image.Image:
    """The picture in a file, as `decode` gives it. Raises ImageError."""
    with path.open("rb") as file:
        return decode(file)


def decode(file: BinaryIO) -> Image.Image:
    """The picture in sRGB, upright, first frame, transparent parts on white.

    At most WORKING_PIXELS pixels. Raises ImageError.
    """
    with opened(file) as image:
        size = reduced(*image.size)
        # A JPEG is decoded at half, quarter, ... of its size: 48 megapixels take 9 MB.
        image.draft(None, size)
        try:
            image.load()
            image = smooth(image)
            image.thumbnail(size, Image.Resampling.LANCZOS)
        except MemoryError as error:
            raise ImageError(
                "too_large",
                "The picture takes more memory to decode than one may have. Scale it "
                "down, or save it as JPEG.",
            ) from error
        except Exception as error:  # broken files make decoders raise nearly anything
            raise ImageError(
                "truncated", "The picture is damaged or cut off: send the file again."
            ) from error
        with contextlib.suppress(Exception):  # a broken EXIF block spoils no picture
            image = ImageOps.exif_transpose(image)
        rgb = to_rgb(image)
    rgb.info.clear()  # metadata that would be written along
    return rgb


def opened(file: BinaryIO) -> Image.Image:
    """The file's header, read and within the limits; no pixel is decoded yet."""
    check_bytes(file)
    try:
        image = Image.open(file, formats=tuple(IMAGE_FORMATS))
    except Image.DecompressionBombError as error:
        raise ImageError(
            "too_large",
            f"The picture has more than {MAX_PIXELS // 10**6} million pixels, the most "
            "that can be read. Scale it down first.",
        ) from error
    except UnidentifiedImageError as error:
        file.seek(0)
        raise unreadable(file.read(4096)) from error
    except Exception as error:  # a header that lies about itself
        raise ImageError(
            "truncated",
            "The picture's header is damaged. Open it in an image program, save it as "
            "JPEG or PNG, and send that.",
        ) from error
    check_sides(*image.size)
    return image


def check_bytes(file: BinaryIO) -> None:
    """Raise ImageError for an empty file and for one that is too long."""
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        raise ImageError("empty", "The file is empty: choose the picture again.")
    if size > MAX_BYTES:
        raise ImageError(
            "too_large",
            f"The file has {size / 1e6:.0f} MB; at most {MAX_BYTES / 1e6:.0f} can be "
            "read. Save a picture smaller or as JPEG; cut a video shorter.",
        )


def check_sides(w: int, h: int, what: str = "picture") -> None:
    """Raise ImageError for specks, and for strips that no model can look at."""
    if min(w, h) < MIN_SIDE:
        raise ImageError(
            "too_small",
            f"The {what} is {w} × {h} pixels; each side needs at least {MIN_SIDE}. "
            "Send a larger one.",
        )
    if max(w, h) > MAX_ASPECT * min(w, h):
        raise ImageError(
            "too_small",
            f"The {what} is a strip of {w} × {h} pixels; cut it to at most "
            f"{MAX_ASPECT} times as long as it is wide.",
        )


def unreadable(head: bytes) -> ImageError:
    """Tell a picture of another format from no picture at all, by the first bytes."""
    if known := stranger(head):
        return ImageError("unsupported", known)
    return ImageError(
        "not_an_image",
        "This file is not a picture, or is a damaged one. Send a "
        f"{', '.join(IMAGE_FORMATS)} file.",
    )


def reduced(w: int, h: int) -> tuple[int, int]:
    """The sides scaled down to WORKING_PIXELS, where they make more."""
    scale = min(1.0, (WORKING_PIXELS / (w * h)) ** 0.5)
    return max(1, int(w * scale)), max(1, int(h * scale))


def fit(image: Image.Image, side: int, patch: int) -> Fitted:
    """Keep the aspect: about side × side pixels in area, sides whole patches.

    Resized so that the shorter side fits exactly; of the longer one less than a patch
    is cut off, half at each end.
    """
    w, h = image.size
    short = max(1, round(min(w, h) * side / (w * h) ** 0.5 / patch))  # in patches
    columns, rows = w * short // min(w, h), h * short // min(w, h)
    return cut(image, (columns * patch, rows * patch))


def square(image: Image.Image, side: int) -> Fitted:
    """The largest square in the middle, resized to side × side."""
    return cut(image, (side, side))


def cut(image: Image.Image, size: tuple[int, int]) -> Fitted:
    """The middle of the picture in the aspect of `size`, in both resolutions."""
    w, h = image.size
    scale = max(size[0] / w, size[1] / h)
    width, height = size[0] / scale, size[1] / scale
    left, top = (w - width) / 2, (h - height) / 2
    # Rounding may leave the box a hair outside, which Pillow refuses.
    box = (max(left, 0), max(top, 0), min(left + width, w), min(top + height, h))
    zoom = max(1, round(DISPLAY_SIDE / max(size)))

    def resized(k: int) -> Image.Image:
        target = (size[0] * k, size[1] * k)
        return image.resize(target, Image.Resampling.LANCZOS, box=box)

    said = note(image.size, size, width, height)
    return Fitted(resized(1), resized(zoom), zoom, said)


def note(
    before: tuple[int, int], after: tuple[int, int], width: float, height: float
) -> str:
    """What resizing and cutting did, as sentences; sizes are (width, height)."""
    if after[0] > width + 0.5:
        text = f"Enlarged from {before[0]} × {before[1]} to {after[0]} × {after[1]}"
    else:
        text = f"Resized to {after[0]} × {after[1]}"
    text += " pixels for the model."
    lost = 1 - width * height / (before[0] * before[1])
    if lost > 0.0005:
        sides = "left and right" if width < before[0] - 1e-6 else "top and bottom"
        text += f" {100 * lost:.1f} % of the picture was cut off, at {sides}."
    return text


def to_array(image: Image.Image) -> np.ndarray:
    """An RGB picture as float32 (3, H, W) in [0, 1]."""
    array = np.asarray(image, dtype=np.float32) / 255
    return array.transpose(2, 0, 1).copy()


def from_array(array: np.ndarray) -> Image.Image:
    """(3, H, W) in [0, 1], clipped, as an RGB picture."""
    pixels = (array.clip(0, 1) * 255).round().astype(np.uint8)
    return Image.fromarray(pixels.transpose(1, 2, 0).copy())
