"""Pictures in: refuse what is broken or too large, make the rest plain RGB, fit it.

Nothing here trusts the file name; the header is checked before a pixel is decoded.
"""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from demos.specs import IMAGE_FORMATS, MAX_BYTES, MAX_PIXELS, MIN_SIDE

WORKING_SIDE = 2048  # a longer side is reduced while reading: no demo looks closer
MAX_ASPECT = 64
DISPLAY_SIDE = 640   # the longer side of pictures for people

# What often arrives under a picture's name, by its first bytes.
STRANGERS = (
    (b"<svg", "an SVG drawing"), (b"%PDF", "a PDF"), (b"ftypheic", "a HEIC photo"),
    (b"ftypmif1", "a HEIF photo"), (b"ftypavif", "an AVIF picture"), (b"8BPS", "a PSD"),
)


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
    """The picture in RGB, upright, first frame, transparent parts on white.

    At most WORKING_SIDE pixels a side. Raises ImageError.
    """
    with opened(path) as image:
        # A JPEG is decoded at half, quarter, ... of its size: 48 megapixels take 36 MB.
        image.draft(None, (WORKING_SIDE, WORKING_SIDE))
        try:
            image.load()
        except Exception as error:  # broken files make decoders raise nearly anything
            raise ImageError(
                "truncated", "The picture is damaged or cut off: send the file again."
            ) from error
        with contextlib.suppress(Exception):  # a broken EXIF block spoils no picture
            image = ImageOps.exif_transpose(image)
        rgb = to_rgb(image)
    rgb.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.LANCZOS)
    return rgb


def check(path: Path) -> tuple[str, int, int]:
    """Format, width and height from the header alone. Raises ImageError."""
    with opened(path) as image:
        return str(image.format), image.width, image.height


def opened(path: Path) -> Image.Image:
    """The file's header, read and within the limits; no pixel is decoded yet."""
    size = path.stat().st_size
    if size == 0:
        raise ImageError("empty", "The file is empty: choose the picture again.")
    if size > MAX_BYTES:
        raise ImageError(
            "too_large",
            f"The file has {size / 1e6:.0f} MB; at most {MAX_BYTES / 1e6:.0f} can be "
            "read. Save it smaller or as JPEG.",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path, formats=tuple(IMAGE_FORMATS))
    except Image.DecompressionBombError as error:
        raise too_many_pixels("more than 170") from error
    except UnidentifiedImageError as error:
        raise unreadable(path) from error
    except Exception as error:  # a header that lies about itself
        raise ImageError(
            "truncated", "The picture's header is damaged: send the file again."
        ) from error
    if image.width * image.height > MAX_PIXELS:
        raise too_many_pixels(f"{image.width * image.height / 1e6:.0f}")
    if min(image.size) < MIN_SIDE:
        raise ImageError(
            "too_small",
            f"The picture is {image.width} × {image.height} pixels; each side needs "
            f"at least {MIN_SIDE}.",
        )
    return image


def too_many_pixels(millions: str) -> ImageError:
    """The error for a picture above the pixel limit."""
    return ImageError(
        "too_large",
        f"The picture has {millions} million pixels; at most {MAX_PIXELS // 10**6} "
        "million can be read. Scale it down first.",
    )


def unreadable(path: Path) -> ImageError:
    """Tell a picture of another format from no picture at all."""
    with path.open("rb") as file:
        head = file.read(512)
    readable = ", ".join(IMAGE_FORMATS)
    for mark, what in STRANGERS:
        if mark in head:
            return ImageError(
                "unsupported", f"This is {what}. Save it as one of {readable}."
            )
    return ImageError(
        "not_an_image", f"This file is not a picture that can be read ({readable})."
    )


def to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow mode to RGB; transparency becomes white."""
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(eight_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def eight_bits(values: np.ndarray) -> np.ndarray:
    """Grey values of 16 or 32 bits to 0..255; Pillow alone would clip them to white."""
    floating, top = values.dtype.kind == "f", np.nan_to_num(values).max()
    if floating and top <= 1:
        full = 1.0
    elif values.dtype.itemsize == 4 and top <= 255:
        full = 255.0
    else:
        full = max(65535.0, float(top))
    values = np.nan_to_num(values.astype(np.float64))
    return (values.clip(0) / full * 255).round().astype(np.uint8)


def fit(image: Image.Image, side: int, patch: int) -> Fitted:
    """Keep the aspect: about side × side pixels in area, sides whole patches.

    Resized so that the shorter side fits exactly; of the longer one less than a patch
    is cut off, half at each end. Raises ImageError for strips thinner than 1 : 64.
    """
    w, h = image.size
    if max(w, h) > MAX_ASPECT * min(w, h):
        raise ImageError(
            "too_small",
            f"The picture is a strip of {w} × {h} pixels; cut it to at most "
            f"{MAX_ASPECT} times as long as it is wide.",
        )
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
