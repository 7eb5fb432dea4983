"""Builders that are killed, builders at once, readers all the while.

`SEARCH_KILLS=100` kills that many builders of each engine instead of a few.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings as project

from kb.search import generations
from kb.search.documents import Document
from kb.search.engine import Request, Term
from kb.search.index import LiveIndex

PROJECT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("SEARCH_KILLS", "3"))
PLACES = 40
FILES = Path("/proc/self/fd")
LONGEST_BUILD = 0.5  # seconds; moments of death are drawn from it

BUILD = """
import sys
from pathlib import Path
from kb.search import generations
from tests.search.test_kills import shelf

root, engine, first, count = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
print("here", flush=True)
for version in range(first, first + count):
    with generations.writer_lock(root):
        generations.write(root, shelf(version), engine)
"""

READ = """
import sys, time
from pathlib import Path
from django.conf import settings

papers, impls, root = map(Path, sys.argv[1:])
settings.configure(PAPERS_DIR=papers, IMPLS_DIR=impls, EXTRA_PAPERS_DIRS=[])
from kb.search.index import LiveIndex

index, seen = LiveIndex(root, "fts5"), ""
while True:
    name = index.generation().folder.name
    if name != seen:
        print(name, flush=True)
    seen = name
    time.sleep(0.01)
"""


def shelf(version: int) -> list[Document]:
    """Places that all say which version they are of."""
    body = f"version{version} " + "words ".join(f"w{n} " for n in range(100))
    return [
        Document(f"d{n}", "paper", f"d{n}", "", "Title", "", f"heading {n}", body)
        for n in range(PLACES)
    ]


def version_in(generation: generations.Generation) -> str:
    """The one version of all its places, by its documents and by its engine."""
    versions = {d.body.split()[0] for d in generation.documents.values()}
    assert len(generation.documents) == PLACES
    assert len(versions) == 1
    wanted = Request(Term("text", versions.copy().pop()), {})
    assert len(generation.engine.search(wanted, 100).numbers) == PLACES
    return versions.pop()


def builder(root: Path, engine: str, first: int, count: int) -> subprocess.Popen[str]:
    """A process that builds versions first, first + 1, …; returned once it begins."""
    arguments = [root, engine, str(first), str(count)]
    process = subprocess.Popen(
        [sys.executable, "-c", BUILD, *arguments],
        cwd=PROJECT, stdout=subprocess.PIPE, text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process


@contextmanager
def searching(root: Path) -> Iterator[list[str]]:
    """Searches without end in a thread; gives the versions that were found."""
    found: list[str] = []
    done = threading.Event()

    def search() -> None:
        state, opened = None, None
        while not done.is_set():
            newest = generations.pointer_state(root)
            if newest != state:
                # None: swept while it was being opened, two builds later. Try again.
                better = generations.open_current(root)
                state, opened = (newest, better) if better else (state, opened)
            found.append(version_in(opened) if opened else "nothing")
            time.sleep(0.005)

    thread = threading.Thread(target=search)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def folders(root: Path) -> set[str]:
    return {path.name for path in root.iterdir() if path.is_dir()}


def test_killed_builders_lose_nothing_and_hinder_nobody(
    tmp_path: Path, engine: str
) -> None:
    chance = random.Random(engine)
    with generations.writer_lock(tmp_path):
        generations.write(tmp_path, shelf(0), engine)
    with searching(tmp_path) as found:
        for kill in range(1, KILLS + 1):
            process = builder(tmp_path, engine, 1000 * kill, 1000)
            time.sleep(chance.uniform(0, LONGEST_BUILD))
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=10)
            before = (tmp_path / generations.POINTER).read_text()
            left = generations.open_current(tmp_path)
            assert left is not None
            version_in(left)
            # The lock died with its holder, and this build sweeps up behind it.
            with generations.writer_lock(tmp_path, seconds=1):
                made = generations.write(tmp_path, shelf(kill), engine)
            assert version_in(made) == f"version{kill}"
            assert folders(tmp_path) == {before, made.folder.name}
    assert found
    assert "nothing" not in found


def test_two_builders_take_turns_and_readers_see_whole_indexes_only(
    tmp_path: Path, engine: str
) -> None:
    with generations.writer_lock(tmp_path):
        generations.write(tmp_path, shelf(0), engine)
    with searching(tmp_path) as found:
        pair = [builder(tmp_path, engine, first, 3) for first in (100, 200)]
        assert [process.wait(timeout=60) for process in pair] == [0, 0]
    assert "nothing" not in found
    last = generations.open_current(tmp_path)
    assert last is not None
    assert version_in(last) in ("version102", "version202")
    assert len(folders(tmp_path)) == 2


def test_every_web_process_takes_up_each_new_generation(index: LiveIndex) -> None:
    index = LiveIndex(index.root, "fts5")
    first = index.generation().folder.name
    arguments = [project.PAPERS_DIR, project.IMPLS_DIR, index.root]
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READ, *arguments],
            cwd=PROJECT, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]
    try:
        told = [reader.stdout for reader in readers]
        assert [line.readline().strip() for line in told if line] == [first] * 3
        for _ in range(3):
            index.refresh(force=True)
            newest = index.generation().folder.name
            assert [line.readline().strip() for line in told if line] == [newest] * 3
    finally:
        for reader in readers:
            reader.kill()
            reader.wait(timeout=10)


def test_old_generations_are_let_go(index: LiveIndex) -> None:
    def open_here() -> int:
        gc.collect()  # a generation and its engine may hold each other
        return sum(opened(fd).startswith(str(index.root)) for fd in FILES.iterdir())

    index = LiveIndex(index.root, "fts5")
    index.refresh()
    before = open_here()
    for _ in range(8):
        index.refresh(force=True)
    assert open_here() <= before + 1


def opened(fd: Path) -> str:
    """What a descriptor leads to; "" for one that has been closed meanwhile."""
    try:
        return os.readlink(fd)
    except FileNotFoundError:
        return ""
