"""Any pixels to plain sRGB: 16 bits, palettes, transparency, colour profiles."""

from __future__ import annotations

import contextlib
import io

import numpy as np
from PIL import Image, ImageCms

MAX_PROFILE = 4 << 20  # bytes; a printer's profile has two million
SRGB = ImageCms.createProfile("sRGB")
NOTHING = 2  # of 255: a difference that is only rounding
STEPS = np.linspace(0, 255, 9).round().astype(np.uint8)
GRID = np.stack(np.meshgrid(STEPS, STEPS, STEPS), axis=-1)  # (9, 9, 9, 3)
PROBE = Image.fromarray(GRID.reshape(27, 27, 3))


def smooth(image: Image.Image) -> Image.Image:
    """The picture in a mode whose pixels can be mixed, so that it can be resized."""
    if image.mode.startswith(("I", "F")):
        grey = Image.fromarray(eight_bits(np.asarray(image)))
        kept = ("icc_profile", "exif")
        grey.info = {name: v for name, v in image.info.items() if name in kept}
        return grey
    if image.has_transparency_data and image.mode not in ("LA", "RGBA"):
        return image.convert("RGBA")
    return image.convert("RGB") if image.mode in ("1", "P") else image


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode that `smooth` gives to sRGB, by the picture's own colour profile.

    Transparency becomes white.
    """
    profile = image.info.get("icc_profile")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        image = Image.alpha_composite(white, rgba)
    if image.mode not in ("L", "CMYK"):
        image = image.convert("RGB")
    if profile and len(profile) <= MAX_PROFILE:
        with contextlib.suppress(Exception):  # a broken profile spoils no picture
            return by_profile(image, profile)
    return image.convert("RGB")


def by_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """The colours as the profile means them. Raises what a broken profile makes it."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    change = ImageCms.buildTransform(source, SRGB, image.mode, "RGB")
    if image.mode == "RGB":
        after = np.asarray(ImageCms.applyTransform(PROBE, change), dtype=int)
        if np.abs(after - np.asarray(PROBE)).max() <= NOTHING:
            return image  # sRGB under any name: no pixel is rounded twice
    found = ImageCms.applyTransform(image, change)
    assert found is not None, "None is for work in place"
    return found


def eight_bits(values: np.ndarray) -> np.ndarray:
    """Grey values of 16 or 32 bits to 0..255; Pillow alone would clip them to white."""
    floating, top = values.dtype.kind == "f", np.nan_to_num(values).max()
    if floating and top <= 1:
        full = 1.0
    elif values.dtype.itemsize == 4 and top <= 255:
        full = 255.0
    else:
        full = max(65535.0, float(top))
    # In bands of rows: 60 million numbers of eight bytes are too many at once.
    bands = np.array_split(values, -(-len(values) // 256))
    exact = (np.nan_to_num(band.astype(np.float64)).clip(0) for band in bands)
    return np.concatenate([(x / full * 255).round().astype(np.uint8) for x in exact])
