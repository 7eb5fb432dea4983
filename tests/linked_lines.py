"""Are the lines that an entry points to run by its paper's own tests?

    python -m tests.linked_lines [PAPER …]

A link says "this is where it happens"; a line that no test reaches proves nothing.
Exit code 0: every linked line of every paper is run.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.connection import Connection
from multiprocessing.util import Finalize, register_after_fork
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import coverage
import pytest

from tests.forks import Forks, preload

if TYPE_CHECKING:
    from kb.catalogue.papers import Paper

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "tests" / "reference_impls"
PATIENCE = 600  # seconds for a paper's tests


class OnlyPaper:
    """Leaves a paper's own tests, and its share of those that every method shares."""

    def __init__(self, slug: str):
        self.slug = slug

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if self._own(item)]

    def _own(self, item: pytest.Item) -> bool:
        given = getattr(getattr(item, "callspec", None), "params", {}).values()
        names = [getattr(value, "__name__", "") for value in given]
        return (
            item.path.stem == f"test_{self.slug}"
            or f"reference_impls.{self.slug}" in names
        )


def trace(slug: str, answer: Connection) -> None:
    """In a process of its own: run the tests, send the lines that they never reach."""
    module = str(ROOT / "reference_impls" / f"{slug}.py")
    tracer = coverage.Coverage(data_file=None, config_file=False, include=[module])
    files = [TESTS / f"test_{slug}.py", TESTS / "test_every_method.py"]
    printed = io.StringIO()
    with TemporaryDirectory() as folder:
        register_after_fork(tracer, lambda it: tell_at_exit(it, module, Path(folder)))
        tracer.start()
        with redirect_stdout(printed), redirect_stderr(printed):
            code = pytest.main(
                ["-x", "-q", "-c", os.devnull, "-p", "no:cacheprovider",
                 f"--rootdir={ROOT}", *map(str, files)], [OnlyPaper(slug)],
            )
        tracer.stop()
        elsewhere = {n for told in Path(folder).iterdir() for n in json.loads(told.read_text())}
    if code:
        answer.send(printed.getvalue())
    else:
        answer.send(set(tracer.analysis2(module)[3]) - elsewhere)


def tell_at_exit(tracer: coverage.Coverage, module: str, folder: Path) -> None:
    """In a process that a test has started: its lines would end with it."""
    def tell() -> None:
        lines = tracer.get_data().lines(module) or []
        (folder / str(os.getpid())).write_text(json.dumps(lines))

    Finalize(None, tell, exitpriority=1)


def missing(slugs: Sequence[str], jobs: int) -> Iterator[tuple[str, set[int]]]:
    """Each paper with the lines of its module that its tests never run.

    Raises RuntimeError where the tests fail.
    """
    waiting, forks = deque(slugs), Forks(PATIENCE)
    while waiting or forks.running:
        while waiting and len(forks.running) < jobs:
            slug = waiting.popleft()
            forks.start(slug, trace, slug)
        for slug, told in forks.answers():
            if not isinstance(told, set):
                raise RuntimeError(f"the tests of {slug} fail:\n{told}")
            yield slug, told


def unproved(paper: Paper, never: set[int]) -> Iterator[str]:
    """Links of the entry to lines that no test runs. never: those lines."""
    links = [(e.id, e.first, e.last) for e in paper.equations if e.first]
    links += [(where, lines.first, lines.last) for where, lines in paper.page.code_links]
    for where, first, last in dict.fromkeys(links):
        if gone := sorted(never & set(range(first, last + 1))):
            yield f"{paper.slug}: #{where} links to {first}-{last}; {gone} never run"


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb.settings")
    import django

    django.setup()
    from kb.catalogue.library import library

    preload()
    shelf = library().papers
    wanted = sys.argv[1:] or [slug for slug, paper in shelf.items() if paper.module]
    count = 0
    for slug, never in missing(wanted, os.cpu_count() or 1):
        for line in unproved(shelf[slug], never):
            count += 1
            print(line, flush=True)
    print(f"{len(wanted)} papers, {count} links to lines that no test runs")
    return bool(count)


if __name__ == "__main__":
    sys.exit(main())
