"""Sources are parsed for pages and for the index in threads of one process."""

import sys
import threading
from pathlib import Path

import pytest

from demos import syntax

SOURCES = [path.read_text() for path in Path("reference_impls").glob("*.py")]


class Garbage:
    """Whose end is Python code, so that the collector lets other threads in."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        sum(range(200))


@pytest.fixture
def restless():
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_threads_that_parse_at_once_all_get_their_trees(restless):
    faults: list[Exception] = []

    def parse(depth: int) -> None:
        if depth:
            return parse(depth - 1)
        for source in SOURCES * 3:
            for _ in range(50):
                Garbage()
            try:
                syntax.parse(source)
            except SystemError as fault:
                faults.append(fault)
        return None

    threads = [threading.Thread(target=parse, args=(7 * n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
