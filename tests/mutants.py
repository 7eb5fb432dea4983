"""Classic errors, put into the reference implementations one at a time.

    python -m tests.mutants [PAPER …] [--share N/M] [--jobs N]

A paper's errors stand in `tests/reference_impls/mutants/<slug>.toml`: what a careless
implementer gets wrong, as a text to find in the module and what to put in its place.
Each must make that paper's own tests fail. Exit code 0: every one did.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tomllib
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType

import pytest

from tests.forks import Forks, preload

ROOT = Path(__file__).resolve().parents[1]
LISTS = ROOT / "tests" / "reference_impls" / "mutants"
PATIENCE = 300  # seconds; a mutant that never ends is not a test that failed


@dataclass(frozen=True)
class Mutant:
    """One error: `find` stands once in the module and gives way to `replace`."""

    paper: str
    error: str
    find: str
    replace: str

    def source(self) -> str:
        """The module with the error in it. Raises ValueError where it does not fit."""
        path = ROOT / "reference_impls" / f"{self.paper}.py"
        text = path.read_text()
        if (n := text.count(self.find)) != 1:
            raise ValueError(
                f"{self.paper}: {self.error!r}: its text stands {n} times in the "
                "module; make `find` longer or bring it up to date"
            )
        changed = text.replace(self.find, self.replace)
        compile(changed, str(path), "exec")
        return changed


def papers() -> list[str]:
    """Slugs that have a list."""
    return sorted(path.stem for path in LISTS.glob("*.toml"))


def mutants(paper: str) -> list[Mutant]:
    """The errors listed for a paper."""
    listed = tomllib.loads((LISTS / f"{paper}.toml").read_text())["mutant"]
    return [Mutant(paper, **entry) for entry in listed]


class Planted(MetaPathFinder, Loader):
    """Imports `reference_impls.<paper>` from a changed source."""

    def __init__(self, paper: str, source: str):
        self.name, self.source = f"reference_impls.{paper}", source
        self.path = str(ROOT / "reference_impls" / f"{paper}.py")

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        found = name == self.name
        return spec_from_loader(name, self, origin=self.path) if found else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.source, self.path, "exec"), module.__dict__)


class QuickFirst:
    """A pytest plugin: notes how long each test takes, and runs the quick ones first."""

    def __init__(self, seconds: dict[str, float]):
        self.before, self.seconds = seconds, dict[str, float]()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self.before.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        spent = self.seconds.get(report.nodeid, 0.0) + report.duration
        self.seconds[report.nodeid] = spent


@dataclass(frozen=True)
class Outcome:
    """How a paper's tests ended: "passed", "failed" or what kept them from running."""

    word: str
    printed: str = ""
    seconds: dict[str, float] = field(default_factory=dict)  # of each test


def tested(
    paper: str, source: str | None, seconds: dict[str, float], answer: Connection
) -> None:
    """Run the paper's tests in this process, with a changed module or as it is."""
    if source is not None:
        sys.meta_path.insert(0, Planted(paper, source))
    plugin, printed = QuickFirst(seconds), io.StringIO()
    tests = ROOT / "tests" / "reference_impls" / f"test_{paper}.py"
    with redirect_stdout(printed), redirect_stderr(printed):
        code = pytest.main(
            ["-x", "-q", "--no-header", "--tb=line", "-c", os.devnull,
             "-p", "no:cacheprovider", f"--rootdir={ROOT}", str(tests)], [plugin],
        )
    word = {0: "passed", 1: "failed"}.get(int(code), "broken")
    answer.send(Outcome(word, printed.getvalue(), plugin.seconds))


@dataclass(frozen=True)
class Task:
    """A paper's tests to run: with a mutant in the module, or first of all without."""

    paper: str
    mutant: Mutant | None = None
    seconds: dict[str, float] = field(default_factory=dict)  # of each test, if known

    def source(self) -> str | None:
        """What to import in place of the module, if not the module."""
        return self.mutant.source() if self.mutant else None

    def then(self, outcome: Outcome) -> list[Task]:
        """What is to be done next: behind the module as it is, its mutants."""
        if self.mutant or outcome.word != "passed":
            return []
        return [Task(self.paper, m, outcome.seconds) for m in mutants(self.paper)]


def run(chosen: list[str], jobs: int) -> Iterator[tuple[Task, Outcome]]:
    """Every task with its outcome, `jobs` at a time, paper after paper."""
    waiting, forks = deque(Task(paper) for paper in chosen), Forks(PATIENCE)
    while waiting or forks.running:
        while waiting and len(forks.running) < jobs:
            task = waiting.popleft()
            forks.start(task, tested, task.paper, task.source(), task.seconds)
        for task, told in forks.answers():
            outcome = told if isinstance(told, Outcome) else Outcome(told)
            waiting.extendleft(reversed(task.then(outcome)))
            yield task, outcome


def share(chosen: list[str], part: str) -> list[str]:
    """One of M equal parts, `N/M` with N from 0; together they are all papers."""
    number, of = map(int, part.split("/"))
    return chosen[number % of :: of]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("papers", nargs="*", metavar="PAPER", help="slugs; default all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--share", default="0/1", help="1/5: every fifth paper, from 1")
    args = parser.parse_args()
    chosen = share(args.papers or papers(), args.share)
    preload()
    tallies = {paper: Counter[str]() for paper in chosen}
    for task, outcome in run(chosen, args.jobs):
        tally = tallies[task.paper]
        if task.mutant is None:
            if outcome.word != "passed":
                print(f"{task.paper}: the tests fail as they are\n{outcome.printed}")
            continue
        tally[outcome.word] += 1
        if outcome.word != "failed":
            print(f"    {task.paper}: {outcome.word.upper()}: {task.mutant.error}")
        if tally.total() == len(mutants(task.paper)):
            print(f"{task.paper:<24}{tally['failed']:>3}/{tally.total()}", flush=True)
    killed = sum(tally["failed"] for tally in tallies.values())
    total = sum(len(mutants(paper)) for paper in chosen)
    print(f"{'total':<24}{killed:>3}/{total} killed")
    return int(killed < total)


if __name__ == "__main__":
    sys.exit(main())
