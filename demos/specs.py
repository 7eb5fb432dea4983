"""What can be asked of each demo: names, options, limits. Standard library only.

The form, the API and the shell are all made from this file, so they agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

# Pillow's name of a format, and the media type that a browser gives it.
IMAGE_FORMATS = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}
MAX_PIXELS = 60_000_000  # a 48-megapixel phone photo passes
MAX_BYTES = 25_000_000
MIN_SIDE = 8  # below this there is nothing to see

MAX_SEED = 2**31 - 1

CASES = "golden/"  # among a module's abilities: answers of the authors' code are stored


class OptionError(ValueError):
    """An option that cannot be used; `field` is its name, the message the remedy."""

    def __init__(self, field: str, message: str):
        super().__init__(message)
        self.field = field
        self.message = message


@dataclass(frozen=True)
class Option:
    """One thing to choose. `low` and `high` are allowed values themselves."""

    name: str
    kind: str  # "int" | "float" | "choice" | "bool"
    default: int | float | str | bool
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    step: float | None = None  # of a slider or number field
    label: str = ""

    def parse(self, raw: object) -> int | float | str | bool:
        """The value as its own type; strings from forms and shells are read.

        Raises OptionError where `raw` is of another kind or out of range.
        """
        return PARSERS[self.kind](self, raw)

    def refuse(self, expected: str, raw: object) -> OptionError:
        """The error for `raw`, with what would have been right."""
        return OptionError(
            self.name, f"{self.name} must be {expected}, not {str(raw)[:40]!r}"
        )


@dataclass(frozen=True)
class Demo:
    """One demo: what it shows, what it asks for, which code a paper needs for it."""

    name: str
    title: str
    summary: str
    images: tuple[int, int]  # how many pictures: at least, at most
    options: tuple[Option, ...]
    needs: tuple[str, ...]  # `f`: a function; `*.m`: a method of any class; CASES
    seconds: int  # soft limit of the work itself
    unit: str  # what one step of progress is
    fresh: bool = False  # done anew each time, never answered from an earlier run


def parse_number(option: Option, raw: object) -> float:
    """`raw` as a finite number within the option's limits."""
    low, high = option.low, option.high
    assert low is not None, f"{option.name} has no lower limit"
    assert high is not None, f"{option.name} has no upper limit"
    expected = f"a number from {low:g} to {high:g}"
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise option.refuse(expected, raw)
    try:
        value = float(raw)
    except (ValueError, OverflowError):
        raise option.refuse(expected, raw) from None
    if not math.isfinite(value) or not low <= value <= high:
        raise option.refuse(expected, raw)
    return value


def parse_int(option: Option, raw: object) -> int:
    """`raw` as a whole number within the option's limits."""
    value = parse_number(option, raw)
    if value != int(value):
        expected = f"a whole number from {option.low:g} to {option.high:g}"
        raise option.refuse(expected, raw)
    return int(value)


def parse_choice(option: Option, raw: object) -> str:
    """`raw` as one of the option's choices."""
    if str(raw) not in option.choices:
        raise option.refuse("one of " + ", ".join(option.choices), raw)
    return str(raw)


def parse_bool(option: Option, raw: object) -> bool:
    """`raw` as yes or no, in the words of forms, shells and JSON."""
    word = str(raw).lower()
    if word in ("true", "on", "yes", "1"):
        return True
    if word in ("false", "off", "no", "0"):
        return False
    raise option.refuse("true or false", raw)


PARSERS: dict[str, Callable[[Option, object], int | float | str | bool]] = {
    "int": parse_int, "float": parse_number, "choice": parse_choice, "bool": parse_bool,
}


def check_options(demo: Demo, raw: Mapping[str, object]) -> dict:
    """Every option of `demo` with a valid value; None and "" mean the default.

    Raises OptionError(field, message) at the first one that cannot be used.
    """
    known = {option.name: option for option in demo.options}
    for name in raw:
        if name not in known:
            has = ", ".join(known) or "none"
            message = f"{demo.name} has no option {name!r}; it has {has}"
            raise OptionError(name, message)
    return {
        name: option.default if raw.get(name) in (None, "") else option.parse(raw[name])
        for name, option in known.items()
    }


def offered_by(symbols: Collection[str]) -> list[Demo]:
    """The demos that a module with these symbols can run.

    symbols: names as in the source, a method as `Class.method`; CASES if there are any.
    """
    names = set(symbols) | {"*." + s.split(".", 1)[1] for s in symbols if "." in s}
    return [demo for demo in DEMOS.values() if names.issuperset(demo.needs)]


SEED = Option(
    "seed", "int", 0, low=0, high=MAX_SEED, step=1, label="Seed",
    help="Any whole number. The same seed gives the same random choices again.",
)

ATTENTION = Demo(
    name="attention",
    title="Attention maps",
    summary="Where the class token looks: one map per head and layer of the "
            "transformer, laid over your picture.",
    images=(1, 1),
    options=(
        Option(
            "view", "choice", "mean", choices=("mean", "heads", "rollout", "layers"),
            label="Show first",
            help="mean: average over the heads of one layer. heads: each head alone. "
                 "rollout: attention followed through all layers down to the pixels. "
                 "layers: the mean of every layer, first to last.",
        ),
        Option(
            "layer", "int", -1, low=-48, high=47, step=1, label="Layer",
            help="-1 is the last layer, which the papers show; 0 is the first.",
        ),
        Option(
            "mass", "float", 0.6, low=0.05, high=1.0, step=0.05, label="Attention kept",
            help="The mask keeps the fewest patches that together hold this share of "
                 "the attention. 0.6 is the choice in DINO's figure.",
        ),
        Option(
            "size", "choice", "auto", label="Picture size in pixels",
            choices=("auto", "64", "96", "128", "160", "224", "320", "448"),
            help="Side of the picture that the model reads; an oblong one gets the "
                 "same area. Larger gives finer maps and takes longer. auto: twice "
                 "the size the model was trained at, at most 224.",
        ),
        Option(
            "opacity", "float", 0.6, low=0.0, high=1.0, step=0.05, label="Opacity",
            help="How strongly the map covers the picture: 0 shows only the picture, "
                 "1 only the map.",
        ),
    ),
    needs=("*.get_attention",),
    seconds=60,
    unit="layer",
)

RECONSTRUCTION = Demo(
    name="reconstruction",
    title="Masked reconstruction",
    summary="Hide most patches of your picture and let the model paint them from "
            "the few that are left.",
    images=(1, 1),
    options=(
        Option(
            "ratio", "float", 0.75, low=0.1, high=0.95, step=0.05, label="Hidden share",
            help="Share of the patches that the model does not see. The paper hides "
                 "three quarters.",
        ),
        SEED,
    ),
    needs=("reconstruct",),
    seconds=60,
    unit="stage",
)

PRETRAINING = Demo(
    name="pretraining",
    title="Pretraining in miniature",
    summary="Train a tiny transformer with this paper's method on crops of your one "
            "picture, watch its loss, and compare its features before and after.",
    images=(1, 1),
    options=(
        Option(
            "steps", "int", 40, low=10, high=400, step=10, label="Steps",
            help="Updates of the weights. After a minute training stops by itself.",
        ),
        Option(
            "batch", "int", 16, low=4, high=64, step=4, label="Batch",
            help="Crops of your picture in one step. More is slower and steadier.",
        ),
        Option(
            "lr", "float", 0.001, low=0.0001, high=0.1, step=0.0001,
            label="Learning rate",
            help="How far one step moves the weights. Too large and the loss jumps, "
                 "too small and it hardly falls. It warms up and then decays.",
        ),
        SEED,
    ),
    needs=("training_step", "views", "build", "features"),
    seconds=60,
    unit="step",
)

VERIFY = Demo(
    name="verify",
    title="Check this code now",
    summary="Give the code on the page inputs whose answers the authors' own code has "
            "given, and compare every number.",
    images=(0, 0),
    options=(),
    needs=(CASES,),
    seconds=120,
    unit="case",
    fresh=True,
)

DEMOS = {
    demo.name: demo for demo in (RECONSTRUCTION, ATTENTION, PRETRAINING, VERIFY)
}
