"""A demo as it is offered: what it shows, what it asks for, what it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from demos.specs.option import Option, OptionError

# Models of demos whose papers leave the encoder open.
VIT, MAE = "vit.ViT", "mae.MAE"
CASES = "golden/"  # among a module's abilities: answers of the authors' code are stored


@dataclass(frozen=True)
class Demo:
    """One demo. `demos/shows/<name>.py` is what runs."""

    name: str
    title: str
    summary: str
    images: tuple[int, int]  # how many pictures: at least, at most
    options: tuple[Option, ...]
    # `f`: a function; `*.m`: a method of any class; `f|g`: one of them; CASES.
    needs: tuple[str, ...]
    seconds: int  # soft limit of the work itself
    unit: str  # what one step of progress is
    fresh: bool = False  # done anew each time, never answered from an earlier run
    # The need that names the trained model: the class with that method, or the first
    # network among that function's arguments; or VIT, MAE. Empty: none is loaded.
    model: str = ""
    clip: bool = False  # of a picture that moves it gets all frames, not just the first
    example: str = ""  # the paper of its example; the first that offers it if empty


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
