"""What came of going through a paper's stored cases."""

from __future__ import annotations

from dataclasses import dataclass

from demos.specs import CASES, DEMOS
from kb.runs.models import Run, State


@dataclass(frozen=True)
class Verdict:
    """How many cases there were, how many agree, and which do not.

    differing: empty as well where the table of the cases is gone.
    """

    cases: int
    equal: int
    differing: list[str]

    @property
    def agree(self) -> bool:
        return self.equal == self.cases


def verdict(run: Run, tables: list[dict]) -> Verdict | None:
    """The verdict of a finished run; None where no cases were gone through.

    tables: those of the result; their first columns are a case and its outcome.
    """
    demo, numbers = DEMOS.get(run.demo), (run.result or {}).get("numbers", {})
    checks = demo is not None and CASES in demo.needs and "cases" in numbers
    if not checks or run.state != State.DONE:
        return None
    rows = [row for table in tables for row in table["rows"]]
    differing = [case for case, outcome, *_ in rows if outcome != "equal"]
    return Verdict(numbers["cases"], numbers["equal"], differing)
