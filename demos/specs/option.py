"""One thing to choose, and how a value for it is read from forms, shells and JSON."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

MAX_SEED = 2**31 - 1


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
    late: bool = False  # matters only after the demo's expensive stage

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


SEED = Option(
    "seed", "int", 0, low=0, high=MAX_SEED, step=1, label="Seed",
    help="Any whole number. The same seed gives the same random choices again.",
)
