"""The index on disk: whole generations in folders of their own, and one pointer.

    index/current            the name of the folder that readers use
    index/<hash>-<random>/   one generation: documents, vocabulary, engine files,
                             and `sentinel.json`, written last, with all hashes
    index/lock               held by the one writer

A generation is never changed. A killed build leaves a folder without a pointer to
it; the last good index stays current, and the next build sweeps up. The index holds
nothing that cannot be made again, so a broken one is rebuilt, never repaired.

A change of one entry makes a whole new generation: half of the work is rendering the
entries, which link to each other, and a folder that is written once is what makes a
killed build harmless. Searches do not wait for it. Of processor time it takes Whoosh
11 s for 38 papers and 65 s for 1,000 notes more, FTS5 6 s and 30 s.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from kb.search import analysis, lexicon
from kb.search import similar as likeness
from kb.search.documents import Document
from kb.search.engine import FIELDS, Engine, engine_class
from kb.search.entries import entry
from kb.search.questions import Questions
from kb.search.suggest import Suggester

log = logging.getLogger(__name__)

# Raise whenever documents or entries are made differently from the same library.
SCHEMA = 2
POINTER, LOCK, SENTINEL = "current", "lock", "sentinel.json"
DOCUMENTS, VOCABULARY = "documents.json", "vocabulary.json"
SIMILAR = "similar.json"
# Engines tell of a full disk in words of their own; with less left, that was it.
LEAST_ROOM = 64 << 20  # bytes
FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)


class IndexBusy(Exception):
    """Another process is writing the index."""


class IndexUnwritable(Exception):
    """No new index can be written; the text names the fault and the remedy."""


class IndexUnreadable(Exception):
    """A generation is missing, incomplete or damaged."""


class Generation:
    """One opened index: its documents by id, its words, and the engine over it."""

    def __init__(self, folder: Path) -> None:
        """Open and verify. Raises IndexUnreadable if anything is not as written."""
        self.folder = folder
        try:
            self._files = _file_states(folder)
            sentinel = json.loads((folder / SENTINEL).read_text())
            if sentinel["files"] != _file_hashes(folder):
                raise IndexUnreadable(f"{folder.name}: files differ from the sentinel")
            self.hash: str = sentinel["hash"]
            loaded = json.loads((folder / DOCUMENTS).read_text())
            frequency = json.loads((folder / VOCABULARY).read_text())
            self.similar: dict[str, list[str]] = json.loads(
                (folder / SIMILAR).read_text()
            )
            self.engine: Engine = engine_class(sentinel["engine"])(folder)
            # An older program may have kept other things of a document.
            self.documents = {d["id"]: _from_json(d) for d in loaded}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IndexUnreadable(f"{folder.name}: {error}") from error
        self.lexicon = lexicon.Lexicon(self.documents, frequency)
        self.questions = Questions(self.documents.values())
        health = self.engine.health()
        if not health.ok or health.documents != len(self.documents):
            raise IndexUnreadable(f"{folder.name}: {health.documents} documents")

    @property
    def damaged(self) -> bool:
        """Whether a file was touched since it was opened; cheap to ask."""
        try:
            return self._files != _file_states(self.folder)
        except OSError:
            return True

    @cached_property
    def suggester(self) -> Suggester:
        """Names by their beginnings."""
        return Suggester(self.documents.values())


def content_hash(documents: Iterable[Document], engine: str) -> str:
    """Hash of all that decides what an index holds."""
    made_by = [SCHEMA, analysis.VERSION, engine, FIELDS]
    digest = hashlib.sha256(json.dumps(made_by).encode())
    for document in documents:
        digest.update(json.dumps(vars(document)).encode())
    return digest.hexdigest()


def pointer_state(root: Path) -> tuple[int, int] | None:
    """Changes whenever another generation becomes current; cheap to ask."""
    try:
        status = (root / POINTER).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def open_current(root: Path) -> Generation | None:
    """The current generation, verified; None where there is none that can be read."""
    try:
        return Generation(root / (root / POINTER).read_text().strip())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, IndexUnreadable) as error:
        log.warning("the search index cannot be read and will be rebuilt: %s", error)
        return None


def current_hash(root: Path) -> str | None:
    """The content hash of the current generation, without opening or verifying it."""
    try:
        folder = root / (root / POINTER).read_text().strip()
        return json.loads((folder / SENTINEL).read_text())["hash"]
    except (OSError, ValueError, KeyError):
        return None


def write(root: Path, documents: list[Document], engine: str) -> Generation:
    """Build a new generation and make it current. The caller holds `writer_lock`.

    Raises IndexUnwritable where the disk does not take it; what was written of it is
    removed, and the current generation stays.
    """
    wanted = content_hash(documents, engine)
    with _telling(root):
        folder = Path(tempfile.mkdtemp(prefix=f"{wanted[:16]}-", dir=root))
    try:
        with _telling(root):
            _fill(folder, documents, engine, wanted)
            made = Generation(folder)
            previous = _swap(root, folder.name)
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _sweep(root, keep={folder.name, previous})
    return made


def _fill(folder: Path, documents: list[Document], engine: str, wanted: str) -> None:
    engine_class(engine)(folder).rebuild(entry(document) for document in documents)
    _write_json(folder / DOCUMENTS, [vars(document) for document in documents])
    _write_json(folder / VOCABULARY, lexicon.count_words(documents))
    _write_json(folder / SIMILAR, likeness.similar(documents))
    sentinel = {"hash": wanted, "engine": engine, "files": _file_hashes(folder)}
    _write_json(folder / SENTINEL, sentinel)


@contextmanager
def writer_lock(root: Path, seconds: float = 30.0) -> Iterator[None]:
    """Hold the writer's lock; the system frees it when its holder dies.

    Raises IndexBusy when another process keeps it for longer than `seconds`,
    IndexUnwritable where the folder cannot be written to.
    """
    with _telling(root):
        # Whoosh keeps its schema as a pickle: nobody else may write here.
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = (root / LOCK).open("w")
    deadline = time.monotonic() + seconds
    with opened as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise IndexBusy(
                        f"another process has been writing {root} for {seconds:g} s; "
                        "try again when it is done"
                    ) from None
                time.sleep(0.05)
        yield


@contextmanager
def _telling(root: Path) -> Iterator[None]:
    """Turns what a disk refuses into IndexUnwritable; other errors pass as they are."""
    try:
        yield
    except Exception as error:
        fault = _fault(root, error)
        if fault is None:
            raise
        raise IndexUnwritable(f"{fault}, then run manage.py index") from error


def _fault(root: Path, error: Exception) -> str | None:
    """Fault and remedy; None for an error that is not the disk's."""
    number = error.errno if isinstance(error, OSError) else None
    if number in FORBIDDEN:
        return f"{root} cannot be written to; allow it or set KB_VAR_DIR"
    there = next(path for path in (root, *root.parents) if path.exists())
    if number in FULL or shutil.disk_usage(there).free < LEAST_ROOM:
        return f"no room for a new index in {root}; make room"
    if number is not None:
        return f"{root} takes no new index ({error}); repair it or set KB_VAR_DIR"
    return None


def _swap(root: Path, name: str) -> str:
    """Point readers to a generation in one step; returns the previous one's name."""
    pointer = root / POINTER
    # Whatever stands there now: it may be damaged.
    before = pointer.read_text(errors="replace").strip() if pointer.exists() else ""
    draft = root / f"{POINTER}.new"
    with draft.open("w") as file:
        file.write(name)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(pointer)
    return before


def _sweep(root: Path, keep: set[str]) -> None:
    """Remove generations nobody opens any more and the remains of killed builds.

    The one before the current stays: a reader may be just opening it.
    """
    for folder in root.iterdir():
        if folder.is_dir() and folder.name not in keep:
            shutil.rmtree(folder, ignore_errors=True)


def _file_hashes(folder: Path) -> dict[str, str]:
    names = sorted(f.name for f in folder.iterdir() if f.name != SENTINEL)
    return {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in names}


def _file_states(folder: Path) -> dict[str, tuple[int, int, int]]:
    states = {file.name: file.stat() for file in os.scandir(folder)}
    return {n: (s.st_ino, s.st_size, s.st_mtime_ns) for n, s in states.items()}


def _write_json(file: Path, value: object) -> None:
    with file.open("w") as opened:
        json.dump(value, opened)
        opened.flush()
        os.fsync(opened.fileno())


def _from_json(values: dict[str, Any]) -> Document:
    lists = {k: tuple(v) for k, v in values.items() if isinstance(v, list)}
    return Document(**(values | lists))
