"""What can be asked of each demo: names, options, limits. Standard library only.

The form, the API and the shell are all made from this package, so they agree. A file
here is a family of demos: every `Demo` that it defines is one, in the order of the
files' names and, inside a file, as written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib import import_module
from pkgutil import iter_modules

from demos.specs.demo import CASES, Demo, check_options
from demos.specs.limits import (
    CLIP_FRAMES,
    CLIP_PIXELS,
    CLIP_SIDE,
    FILM_FRAMES,
    FILM_PIXELS,
    IMAGE_FORMATS,
    MAX_BYTES,
    MAX_PIXELS,
    MIN_SIDE,
    VIDEO_FORMATS,
)
from demos.specs.option import MAX_SEED, SEED, Option, OptionError

__all__ = [
    "CASES", "CLIP_FRAMES", "CLIP_PIXELS", "CLIP_SIDE", "DEMOS", "FAMILIES",
    "FILM_FRAMES", "FILM_PIXELS", "IMAGE_FORMATS", "MAX_BYTES", "MAX_PIXELS",
    "MAX_SEED", "MIN_SIDE", "SEED", "VIDEO_FORMATS", "Demo", "Option", "OptionError",
    "check_options", "offered_by",
]


def gathered() -> Iterator[tuple[str, list[Demo]]]:
    """What each family is about, in the words of its file, and its demos."""
    for name in sorted(found.name for found in iter_modules(__path__)):
        family = import_module(f"{__name__}.{name}")
        found = [each for each in vars(family).values() if isinstance(each, Demo)]
        if found:
            yield str(family.__doc__).partition("\n")[0].removesuffix("."), found


FAMILIES = dict(gathered())
DEMOS = {demo.name: demo for family in FAMILIES.values() for demo in family}


def offered_by(symbols: Collection[str]) -> list[Demo]:
    """The demos that a module with these symbols can run.

    symbols: names as in the source, a method as `Class.method`; CASES if there are any.
    """
    names = set(symbols) | {"*." + s.split(".", 1)[1] for s in symbols if "." in s}
    return [
        demo for demo in DEMOS.values()
        if all(names.intersection(need.split("|")) for need in demo.needs)
    ]
