"""The library as a key: what was found in it holds until one of its texts changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from kb.catalogue.library import Library


@dataclass(frozen=True)
class Shelf:
    """Two are equal where all their texts and modules are."""

    fingerprint: str
    library: Library = field(compare=False, repr=False)


def shelf(library: Library) -> Shelf:
    return Shelf(library.fingerprint, library)
