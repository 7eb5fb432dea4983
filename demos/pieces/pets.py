"""A gallery of ninety-six pets of three breeds: company for the submitted picture.

Where the pictures are from and who may use them stands in demos/gallery/CREDIT.md.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from PIL import Image

SHEET = Path(__file__).resolve().parents[1] / "gallery" / "pets.webp"
# Of the sheet's bytes: as text in here, it is part of every result's code version.
SHA256 = "2c4350c7eea43e85"
SIDE, COLUMNS, EACH = 80, 12, 32  # pixels, pictures in a row, pictures of a breed
BREEDS = ("Abyssinian", "Bengal", "American bulldog")
LABELS = tuple(n // EACH for n in range(EACH * len(BREEDS)))  # of each picture

CREDIT = (
    "Gallery: Oxford-IIIT Pet Dataset (Parkhi et al. 2012), CC BY-SA 4.0, reduced."
)


@cache
def pictures() -> tuple[Image.Image, ...]:
    """All pictures, SIDE × SIDE, breed by breed."""
    with Image.open(SHEET) as file:
        sheet = file.convert("RGB")
    places = (divmod(n, COLUMNS) for n in range(len(LABELS)))
    boxes = ((x * SIDE, y * SIDE, (x + 1) * SIDE, (y + 1) * SIDE) for y, x in places)
    return tuple(sheet.crop(box) for box in boxes)


def breed(n: int) -> str:
    """What the n-th picture shows."""
    return BREEDS[LABELS[n]]
