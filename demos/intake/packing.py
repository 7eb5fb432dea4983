"""Pictures and clips out: as PNG. Without NumPy, which would weigh on the site."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import IO

from PIL import Image, PngImagePlugin

# As fast as hardly packed, and as small as well packed: for photos.
PACKING = {"compress_type": zlib.Z_RLE}
NOTE = "Comment"  # what the first frame's info and the file call the sentence on them


def write(
    frames: Sequence[Image.Image], file: IO[bytes], packing: Mapping[str, int] = PACKING
) -> None:
    """One frame as PNG, several as an animated one that plays once. Raises OSError."""
    said = PngImagePlugin.PngInfo()
    if note := frames[0].info.get(NOTE):
        said.add_text(NOTE, note)
    more = {"save_all": True, "append_images": frames[1:], "loop": 1}
    more = more if len(frames) > 1 else {}
    frames[0].save(file, "PNG", pnginfo=said, **packing, **more)
