"""What can be moved on a finished result: options that change only its last stage."""

from __future__ import annotations

from dataclasses import dataclass

from demos.specs import DEMOS, Option
from kb.runs.models import Run, State

MOST_STOPS = 100  # a slider with more cannot be set by hand; a number field can


@dataclass(frozen=True)
class Control:
    """One option with its present value and the limits that this result gives it."""

    option: Option
    value: object
    low: float | None
    high: float | None

    @property
    def kind(self) -> str:
        """The input for it: choice, bool, range or number."""
        if self.option.kind in ("choice", "bool"):
            return self.option.kind
        stops = (self.high - self.low) / (self.option.step or 1)  # type: ignore[operator]
        return "range" if stops <= MOST_STOPS else "number"

    @property
    def limits(self) -> list[tuple[str, str]]:
        """Attributes of a range or number input."""
        named = {"min": self.low, "max": self.high, "step": self.option.step}
        return [(k, f"{v:.10g}") for k, v in named.items() if v is not None]


def controls(run: Run) -> list[Control]:
    """The late options of a finished run whose pictures are still there."""
    demo = DEMOS.get(run.demo)
    if demo is None or run.state != State.DONE or len(run.images) < demo.images[0]:
        return []
    return [control(option, run) for option in demo.options if option.late]


def control(option: Option, run: Run) -> Control:
    """The option as it was set.

    Where the result counts what the option numbers (`layers` for `layer`), the count
    is the limit, and a value from the end (-1) is shown from the front.
    """
    value = run.options.get(option.name, option.default)
    count = (run.result or {}).get("numbers", {}).get(f"{option.name}s")
    if option.kind == "int" and isinstance(count, int) and count > 0:
        return Control(option, int(value) % count, 0, count - 1)
    return Control(option, value, option.low, option.high)


def fixed(run: Run) -> list[tuple[str, object]]:
    """The other options, which a control leaves as they were."""
    late = {one.option.name for one in controls(run)}
    return [(name, value) for name, value in run.options.items() if name not in late]
