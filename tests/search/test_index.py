"""The index on disk: swapped as a whole, rebuilt when stale or broken, one writer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from kb.catalogue import library as catalogue
from kb.search import generations, sealed
from kb.search.documents import Document
from kb.search.generations import IndexBusy, IndexUnreadable
from kb.search.index import LiveIndex

PROJECT = Path(__file__).resolve().parents[2]

BUILD = """
import sys, time
from pathlib import Path
from kb.search import generations, sealed
from kb.search.documents import Document
from kb.search.engine import engine_class

root, slow = Path(sys.argv[1]), float(sys.argv[2])
engine = engine_class("{engine}")
rebuild = engine.rebuild

def slowly(self, entries):
    rebuild(self, entries)
    print("building", flush=True)
    time.sleep(slow)

engine.rebuild = slowly
made = Document("b", "paper", "b", "", "Second", "", "second", "second text")
with generations.writer_lock(root):
    generations.write(root, [made], "{engine}")
"""


def document(id: str = "a", **changes: object) -> Document:
    first = Document(id, "paper", id, "", "First", "", "first", "first text")
    return replace(first, **changes)


def write(root: Path, engine: str, *documents: Document) -> generations.Generation:
    with generations.writer_lock(root):
        return generations.write(root, list(documents), engine)


def other_process(root: Path, engine: str, slow: float) -> subprocess.Popen[str]:
    """A second process that builds an index and, once in the middle, says so."""
    process = subprocess.Popen(
        [sys.executable, "-c", BUILD.format(engine=engine), root, str(slow)],
        cwd=PROJECT, stdout=subprocess.PIPE, text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "building\n"
    return process


def folders(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.is_dir())


def test_a_written_generation_is_opened_with_its_documents(
    tmp_path: Path, engine: str
) -> None:
    made = document(tags=("x", "y"), year=2020)
    write(tmp_path, engine, made)
    opened = generations.open_current(tmp_path)
    assert opened is not None
    assert opened.documents == {"a": made}


def test_kill_9_in_the_middle_of_a_rebuild_leaves_the_last_good_index(
    tmp_path: Path, engine: str
) -> None:
    good = write(tmp_path, engine, document())
    process = other_process(tmp_path, engine, slow=60)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    assert len(folders(tmp_path)) == 2  # the remains are there, but not pointed to
    opened = generations.open_current(tmp_path)
    assert opened is not None
    assert opened.folder == good.folder
    # The lock died with its holder, and the next build sweeps up behind it.
    newer = write(tmp_path, engine, document(body="newer"))
    assert folders(tmp_path) == sorted([good.folder.name, newer.folder.name])


def test_a_second_writer_waits_and_then_says_who_is_in_the_way(tmp_path: Path) -> None:
    process = other_process(tmp_path, "fts5", slow=60)
    try:
        with (
            pytest.raises(IndexBusy, match="another process has been writing"),
            generations.writer_lock(tmp_path, seconds=0.2),
        ):
            pytest.fail("two writers at once")
        assert folders(tmp_path)  # nothing was deleted on a lock
    finally:
        process.kill()
        process.wait(timeout=10)


def test_a_second_writer_goes_on_when_the_first_is_done(tmp_path: Path) -> None:
    process = other_process(tmp_path, "fts5", slow=0.3)
    write(tmp_path, "fts5", document())
    assert process.wait(timeout=10) == 0
    opened = generations.open_current(tmp_path)
    assert opened is not None
    assert list(opened.documents) == ["a"]


def test_readers_keep_their_generation_while_new_ones_are_written(
    tmp_path: Path, engine: str
) -> None:
    old = write(tmp_path, engine, document())
    for text in ("second", "third", "fourth"):
        write(tmp_path, engine, document(body=text))
    assert old.engine.health().ok
    assert old.folder.name not in folders(tmp_path)


@pytest.mark.parametrize("broken", ["sentinel.json", "documents.json", "engine", "pointer"])
def test_a_broken_index_is_noticed(tmp_path: Path, engine: str, broken: str) -> None:
    made = write(tmp_path, engine, document())
    if broken == "pointer":
        (tmp_path / generations.POINTER).write_text("nowhere")
    elif broken == "engine":
        own = {"documents.json", "vocabulary.json", "sentinel.json"}
        file = next(f for f in made.folder.iterdir() if f.name not in own)
        file.write_bytes(file.read_bytes()[:-7] + b"garbage")
    else:
        (made.folder / broken).write_text("{}")
    assert generations.open_current(tmp_path) is None


def test_a_generation_without_its_sentinel_was_not_finished(tmp_path: Path) -> None:
    made = write(tmp_path, "fts5", document())
    (made.folder / sealed.SENTINEL).unlink()
    with pytest.raises(IndexUnreadable):
        generations.Generation(made.folder)


@pytest.mark.parametrize("change", [{"body": "x"}, {"year": 1999}, {"names": ("n",)}])
def test_the_hash_changes_with_any_content(change: dict[str, object]) -> None:
    same = generations.content_hash([document()], "whoosh")
    assert generations.content_hash([document()], "whoosh") == same
    assert generations.content_hash([document(**change)], "whoosh") != same
    assert generations.content_hash([document()], "fts5") != same


def test_the_first_search_builds_the_index(index: LiveIndex) -> None:
    assert "mae" in index.generation().documents


def test_an_index_that_is_up_to_date_is_not_rebuilt(index: LiveIndex) -> None:
    assert index.refresh().rebuilt
    assert not index.refresh().rebuilt
    assert index.refresh(force=True).rebuilt


def test_a_new_process_opens_the_index_that_is_there(index: LiveIndex) -> None:
    first = index.generation()
    again = LiveIndex(index.root, index.engine)
    assert again.generation().folder == first.folder


def test_a_broken_index_is_rebuilt_on_start(index: LiveIndex) -> None:
    first = index.generation()
    (first.folder / "documents.json").write_text("[]")
    again = LiveIndex(index.root, index.engine).generation()
    assert again.folder != first.folder
    assert again.documents == first.documents


def test_a_rebuild_by_another_process_is_taken_up(index: LiveIndex) -> None:
    before = index.generation()
    LiveIndex(index.root, index.engine).refresh(force=True)
    assert index.generation().folder != before.folder


def test_a_pointer_to_nowhere_is_mended_behind_the_searches(index: LiveIndex) -> None:
    old = index.generation()
    (index.root / generations.POINTER).write_text("nowhere")
    assert index.generation() is old
    deadline = time.monotonic() + 20
    while generations.open_current(index.root) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_changed_paper_is_found_without_waiting_for_it(
    index: LiveIndex, settings, tmp_path: Path
) -> None:
    old = index.generation()
    papers = tmp_path / "papers"
    papers.mkdir()
    for file in settings.PAPERS_DIR.glob("*.md"):
        (papers / file.name).write_text(file.read_text())
    (papers / "new.md").write_text("---\ntitle: Zebra stripes\n---\n## TL;DR\n\nNew.\n")
    settings.PAPERS_DIR = papers
    assert index.generation() is old  # answered at once from the last good one
    deadline = time.monotonic() + 20
    while "new" not in index.generation().documents:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_searches_go_on_when_a_rebuild_fails(
    index: LiveIndex, settings, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    old = index.generation()
    settings.EXTRA_PAPERS_DIRS = [settings.PAPERS_DIR]  # another library
    monkeypatch.setattr(generations, "write", lambda *_: 1 / 0)
    catalogue.library()
    for _ in range(40):
        assert index.generation() is old
        if "could not be rebuilt" in caplog.text:
            break
        time.sleep(0.05)
    assert "could not be rebuilt" in caplog.text


def test_the_command_builds_once_and_says_so(shelf: None, capsys) -> None:
    call_command("index")
    call_command("index")
    first, second = capsys.readouterr().out.splitlines()
    assert "documents, rebuilt in" in first
    assert second.endswith("up to date")


def test_the_command_reports_a_busy_index(
    index: LiveIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise IndexBusy("another process has been writing it")

    monkeypatch.setattr(generations, "writer_lock", busy)
    with pytest.raises(CommandError, match="another process"):
        call_command("index")


def test_the_index_needs_no_torch(shelf: None) -> None:
    code = "import kb.search.service, sys; sys.exit('torch' in sys.modules)"
    setup = "import django; django.setup(); "
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "kb.settings"}
    done = subprocess.run(
        [sys.executable, "-c", setup + code], cwd=PROJECT, env=environment, check=False
    )
    assert done.returncode == 0
