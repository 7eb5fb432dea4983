"""Verify: a paper's own tests, on the authors' own answers, run in front of the reader.

The tests run in a process of their own, as `make test` would run them; what each case
was off by comes back through a pipe.
"""

from __future__ import annotations

import json
import math
import os
import select
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from demos.results import Recorder
from demos.scene import Card, Numbers, Scene

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests" / "reference_impls"
PATIENCE = 0.4   # seconds without a line after which the recorder is asked to go on
COLUMNS = ["case", "outcome", "off by", "allowed", "function", "answered by"]

WEIGHTS = Card(
    "the cases' own", "stored with each case", True,
    "Where a case needs weights, it brings those that its answers were made with.",
)


@dataclass(frozen=True)
class Outcome:
    """A golden case in one test. error: of the output nearest to its limit."""

    paper: str
    case: str
    function: str
    upstream: str  # repository@commit path, or what it was derived from
    test: str
    passed: bool
    numbers: int   # outputs compared
    output: str
    error: float | None
    allowed: float | None
    reason: str

    @property
    def source(self) -> str:
        """Whose answer it is, in one word: a repository at a commit, or `derived`."""
        first = self.upstream.split()[0].rstrip(";,") if self.upstream else ""
        return first if "@" in first or "==" in first else "derived"

    @property
    def share(self) -> float:
        """Of its tolerance, how much the case uses up."""
        if not self.error:
            return 0.0
        return self.error / self.allowed if self.allowed else math.inf

    def row(self) -> list[str]:
        """The cells under COLUMNS."""
        outcome = "equal" if self.passed else f"DIFFERS: {self.reason}"
        return [
            self.case, outcome, digits(self.error), digits(self.allowed),
            self.function, self.source,
        ]


def digits(value: float | None) -> str:
    """A difference in three digits; none where nothing could be compared."""
    if value is None:
        return "none"
    return "0" if value == 0 else f"{value:.2e}"


class Broken(RuntimeError):
    """The tests could not be run at all."""


def show(scene: Scene) -> Numbers:
    """Run a paper's cases; the table goes to the recorder, totals come back."""
    recorder = scene.recorder
    recorder.progress(0, 1, "Loading PyTorch and the paper's tests")
    done: list[Outcome] = []
    for total, outcome in check([scene.paper], recorder):
        done.append(outcome)
        word = "equal" if outcome.passed else "differs"
        message = f"{outcome.case}: {word}, off by {digits(outcome.error)}"
        recorder.progress(len(done), total, message)
    cases = merged(done)
    recorder.table(
        "cases",
        "Each case: stored inputs went through the code on the page, and every number "
        "that came out was compared with the stored answer. Shown is the output that "
        "came nearest to its limit.",
        COLUMNS, [outcome.row() for outcome in cases],
    )
    return summary(cases)


def merged(done: Iterable[Outcome]) -> list[Outcome]:
    """One outcome for each case; of several tests, the worst one's numbers."""
    cases: dict[tuple[str, str], Outcome] = {}
    for new in done:
        old = cases.setdefault((new.paper, new.case), new)
        if old is not new:
            worst = max(old, new, key=lambda one: (not one.passed, one.share))
            cases[new.paper, new.case] = replace(
                worst, numbers=old.numbers + new.numbers
            )
    return list(cases.values())


def summary(cases: Sequence[Outcome]) -> Numbers:
    """Totals over some cases."""
    most = max((case.share for case in cases), default=0.0)
    return {
        "cases": len(cases),
        "equal": sum(case.passed for case in cases),
        "outputs_compared": sum(case.numbers for case in cases),
        "most_of_a_tolerance_used": f"{most:.1%}",
        "answered_by": sorted({case.source for case in cases}),
    }


def check(
    papers: Sequence[str], recorder: Recorder | None = None
) -> Iterator[tuple[int, Outcome]]:
    """(number of tests, the outcome of one) for each golden case of some papers.

    A case that two tests consume comes twice; `merged` makes it one.

    Raises Broken where the tests cannot be run, Cancelled from the recorder.
    """
    files = [TESTS / f"test_{paper}.py" for paper in papers]
    with tests_running(files) as (process, lines):
        total, count = 0, 0
        for line in patient(lines, recorder):
            row: dict[str, Any] = json.loads(line)
            if "total" in row:
                total = row["total"]
            else:
                count += 1
                yield total, Outcome(**row)
        process.wait()
    if not total or count < total:
        output = process.stdout.read() if process.stdout else ""
        raise Broken(f"{count} of {total} tests ran; the tests said: {output[-1500:]}")


@contextmanager
def tests_running(files: Sequence[Path]) -> Iterator[tuple[subprocess.Popen, int]]:
    """pytest on these files, and the reading end of its pipe; ends with the block."""
    reading, writing = os.pipe()
    command = [
        sys.executable, "-m", "pytest", "-q", "--tb=short", "--no-header",
        "-p", "tests.reference_impls.witness", "--witness-fd", str(writing),
        "-p", "no:cacheprovider",  # nothing is written beside the tests
        "-c", os.devnull, f"--rootdir={ROOT}", *map(str, files),
    ]
    process = subprocess.Popen(  # noqa: S603  our own interpreter and files
        command, cwd=ROOT, pass_fds=[writing], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={
            **os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # nothing of the site is needed
        },
    )
    os.close(writing)
    try:
        yield process, reading
    finally:
        process.kill()
        process.wait()
        os.close(reading)


def patient(reading: int, recorder: Recorder | None) -> Iterator[str]:
    """Lines from a pipe until it is closed; the recorder is kept alive meanwhile."""
    rest = b""
    while True:
        ready, _, _ = select.select([reading], [], [], PATIENCE)
        if recorder is not None:
            recorder.alive()
        if not ready:
            continue
        chunk = os.read(reading, 1 << 16)
        if not chunk:
            return
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode() for line in whole)
