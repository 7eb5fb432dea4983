"""Damaged files, a full disk, a folder that cannot be written to."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from kb.catalogue.library import library
from kb.search import generations, sealed
from kb.search import index as live
from kb.search.engine import Request, Term
from kb.search.generations import IndexUnwritable
from kb.search.index import LiveIndex
from kb.search.service import search
from tests.services import wait_until

OURS = ("documents.json", "vocabulary.json", "similar.json", "said.npz", "sentinel.json")


def damage(file: Path, how: str) -> None:
    if how == "deleted":
        file.unlink()
    elif how == "zeroed":
        size = file.stat().st_size
        with file.open("r+b") as opened:
            opened.write(b"\0" * size)
    else:
        os.truncate(file, file.stat().st_size // 2)


def answers(generation: generations.Generation) -> bool:
    papers = Request(Term("kind", "paper"), {})
    return len(generation.engine.search(papers, 10).numbers) > 0


@pytest.mark.parametrize("how", ["truncated", "zeroed", "deleted"])
@pytest.mark.parametrize("name", [*OURS, "engine"])
def test_damage_under_a_running_site_is_noticed_and_mended(
    index: LiveIndex, name: str, how: str
) -> None:
    old = index.generation()
    files = [f for f in old.folder.iterdir() if f.name not in OURS]
    largest = max(files, key=lambda file: file.stat().st_size)
    damage(largest if name == "engine" else old.folder / name, how)
    new = index.generation()
    assert new.folder != old.folder
    assert new.documents == old.documents
    assert answers(new)
    assert generations.open_current(index.root) is not None


@pytest.mark.parametrize("how", ["truncated", "zeroed", "deleted"])
def test_no_engine_is_asked_about_damaged_files(
    shelf: None, tmp_path: Path, engine: str, how: str
) -> None:
    index = LiveIndex(tmp_path / "own", engine)
    folder = index.generation().folder
    for file in folder.iterdir():
        if file.stat().st_size:
            damage(file, how)
    assert answers(index.generation())


@pytest.mark.parametrize("content", [b"", b"\0\0\0", b"\xff\xfe", b"nowhere"])
def test_a_damaged_pointer_is_written_anew(index: LiveIndex, content: bytes) -> None:
    old = index.generation()
    (index.root / generations.POINTER).write_bytes(content)
    assert index.generation() is old
    assert LiveIndex(index.root, index.engine).generation().documents == old.documents


def test_without_its_pointer_the_last_good_index_answers(index: LiveIndex) -> None:
    old = index.generation()
    (index.root / generations.POINTER).unlink()
    assert index.generation() is old


def test_documents_of_an_older_program_are_made_anew(
    index: LiveIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = sealed.write_json

    def older(file: Path, value: object) -> None:
        if file.name == generations.DOCUMENTS:
            assert isinstance(value, list)
            value = [row | {"forgotten": 1} for row in value]
        write(file, value)

    with monkeypatch.context() as patch:
        patch.setattr(sealed, "write_json", older)
        patch.setattr(generations, "_from_json", lambda row: row)
        patch.setattr(generations.lexicon, "Lexicon", lambda *_: None)
        patch.setattr(generations, "Questions", lambda *_: None)
        patch.setattr(generations, "Shelf", lambda *_: None)
        LiveIndex(index.root, index.engine).refresh()
    assert "mae" in index.generation().documents


def fail(number: int):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


FAULTS = [
    (errno.ENOSPC, "no room for a new index in {}; make room"),
    (errno.EROFS, "{} cannot be written to; allow it or set KB_VAR_DIR"),
    (errno.EACCES, "{} cannot be written to; allow it or set KB_VAR_DIR"),
    (errno.EIO, "{} takes no new index"),
]


@pytest.mark.parametrize(("number", "said"), FAULTS)
@pytest.mark.parametrize("where", ["beginning", "engine", "end"])
def test_a_build_that_the_disk_refuses_leaves_the_last_good_index(
    index: LiveIndex, monkeypatch: pytest.MonkeyPatch, number: int, said: str, where: str
) -> None:
    old = index.generation()
    before = set(index.root.iterdir())
    place = {
        "beginning": (tempfile, "mkdtemp"), "end": (generations, "_swap"),
        "engine": (type(old.engine), "rebuild"),
    }  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(*place[where], fail(number))
        with pytest.raises(IndexUnwritable, match=said.format(index.root)):
            index.refresh(force=True)
    assert index.generation() is old
    assert set(index.root.iterdir()) == before
    assert index.refresh(force=True).rebuilt


def test_a_failed_build_is_tried_again_but_not_by_every_search(
    index: LiveIndex, settings, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    old = index.generation()
    settings.EXTRA_PAPERS_DIRS = [settings.PAPERS_DIR]  # another library
    monkeypatch.setattr(tempfile, "mkdtemp", fail(errno.ENOSPC))
    deadline = time.monotonic() + 20
    while "no room" not in caplog.text:
        assert index.generation() is old
        assert time.monotonic() < deadline
        time.sleep(0.05)
    monkeypatch.undo()
    refresh = LiveIndex.refresh
    tries: list[LiveIndex] = []
    monkeypatch.setattr(LiveIndex, "refresh", lambda self: tries.append(self) or refresh(self))
    assert index.generation() is old
    assert not tries
    monkeypatch.setattr(index, "_not_before", 0.0)
    while index.generation() is old:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert tries == [index]


def test_a_bug_in_an_engine_is_not_blamed_on_the_disk(
    index: LiveIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = type(index.generation().engine)
    before = set(index.root.iterdir())
    monkeypatch.setattr(engine, "rebuild", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        index.refresh(force=True)
    assert set(index.root.iterdir()) == before


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder],
        check=False, capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> None:
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


def examined() -> str:
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("doctor", stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_a_full_disk_is_told_and_searches_go_on(
    shelf: None, settings, disk: Path, engine: str
) -> None:
    settings.VAR_DIR, settings.SEARCH_ENGINE = disk, engine
    old = live.live_index().generation()
    before = {path.name for path in old.folder.parent.iterdir()}
    fill(disk)
    assert shutil.disk_usage(disk).free == 0
    settings.EXTRA_PAPERS_DIRS = [settings.PAPERS_DIR]
    remedy = f"no room for a new index in {disk / 'index'}; make room"
    assert f"BAD search    {remedy}" in (said := examined())
    assert f"the last good one answers, {len(old.documents)} places" in said
    assert search("masked autoencoders").results
    # The search has set off a try of its own, which puts away what it began.
    names = lambda: {path.name for path in old.folder.parent.iterdir()}  # noqa: E731
    wait_until(lambda: names() == before, what="the new index to be put away")
    (disk / "filler").unlink()
    call_command("index", stdout=StringIO())
    assert len(live.live_index().generation().documents) > len(old.documents)


@pytest.mark.django_db
def test_a_read_only_folder_is_told_and_searches_go_on(
    shelf: None, settings, disk: Path, engine: str
) -> None:
    settings.VAR_DIR, settings.SEARCH_ENGINE = disk, engine
    live.live_index().generation()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    fresh = LiveIndex(disk / "index", engine)
    assert not fresh.refresh().rebuilt  # up to date: nothing has to be written
    assert answers(fresh.generation())
    remedy = f"{disk / 'index'} cannot be written to; allow it or set KB_VAR_DIR"
    assert f"BAD search    {remedy}" in examined()
    settings.EXTRA_PAPERS_DIRS = [settings.PAPERS_DIR]
    assert len(library().papers) > 3
    assert search("masked autoencoders").results


@pytest.mark.django_db
def test_the_doctor_says_where_nothing_is_found_at_all(
    shelf: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "mkdtemp", fail(errno.ENOSPC))
    assert "make room, then run manage.py index; until then nothing is found" in examined()
    with pytest.raises(CommandError, match=r"make room, then run manage.py index"):
        call_command("index")
