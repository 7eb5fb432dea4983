"""The index on disk: whole generations in folders of their own, and one pointer.

    index/current            the name of the folder that readers use
    index/<hash>-<random>/   one generation: documents, vocabulary, engine files,
                             sealed when it is whole
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

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from kb.search import analysis, lexicon, said, sealed
from kb.search import similar as likeness
from kb.search.disk import IndexBusy, IndexUnwritable, telling, writer_lock
from kb.search.documents import Document
from kb.search.engine import FIELDS, Engine, engine_class
from kb.search.entries import entry
from kb.search.questions import Questions
from kb.search.sealed import SENTINEL
from kb.search.shelf import Shelf
from kb.search.suggest import Suggester

__all__ = [
    "SENTINEL", "Generation", "IndexBusy", "IndexUnreadable", "IndexUnwritable",
    "content_hash", "open_current", "pointer_state", "write", "writer_lock",
]

log = logging.getLogger(__name__)

# Raise whenever documents or entries are made differently from the same library, or
# the files of a generation change.
SCHEMA = 4
POINTER = "current"
DOCUMENTS, VOCABULARY = "documents.json", "vocabulary.json"
SIMILAR, SAID = "similar.json", "said.npz"


class IndexUnreadable(Exception):
    """A generation is missing, incomplete or damaged."""


class Generation:
    """One opened index: its documents by id, its words, and the engine over it."""

    def __init__(self, folder: Path) -> None:
        """Open and verify. Raises IndexUnreadable if anything is not as written."""
        self.folder = folder
        try:
            self._files = sealed.states(folder)
            seal = sealed.verify(folder)
            self.hash: str = seal["hash"]
            loaded = json.loads((folder / DOCUMENTS).read_text())
            frequency = json.loads((folder / VOCABULARY).read_text())
            self.similar: dict[str, list[str]] = json.loads(
                (folder / SIMILAR).read_text()
            )
            self.said = said.Said(folder / SAID)
            self.engine: Engine = engine_class(seal["engine"])(folder)
            # An older program may have kept other things of a document.
            self.documents = {d["id"]: _from_json(d) for d in loaded}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IndexUnreadable(f"{folder.name}: {error}") from error
        self.shelf = Shelf(self.documents.values())
        self.lexicon = lexicon.Lexicon(self.documents, frequency)
        self.questions = Questions(self.documents.values())
        health = self.engine.health()
        if not health.ok or health.documents != len(self.documents):
            raise IndexUnreadable(f"{folder.name}: {health.documents} documents")

    @property
    def damaged(self) -> bool:
        """Whether a file was touched since it was opened; cheap to ask."""
        try:
            return self._files != sealed.states(self.folder)
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


def write(root: Path, documents: list[Document], engine: str) -> Generation:
    """Build a new generation and make it current. The caller holds `writer_lock`.

    Raises IndexUnwritable where the disk does not take it; what was written of it is
    removed, and the current generation stays.
    """
    wanted = content_hash(documents, engine)
    with telling(root):
        folder = Path(tempfile.mkdtemp(prefix=f"{wanted[:16]}-", dir=root))
    try:
        with telling(root):
            _fill(folder, documents, engine)
            sealed.seal(folder, hash=wanted, engine=engine)
            made = Generation(folder)
            previous = _swap(root, folder.name)
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _sweep(root, keep={folder.name, previous})
    return made


def _fill(folder: Path, documents: list[Document], engine: str) -> None:
    listener = said.Writer()
    engine_class(engine)(folder).rebuild(listener.heard(map(entry, documents)))
    listener.save(folder / SAID)
    sealed.write_json(folder / DOCUMENTS, [vars(document) for document in documents])
    sealed.write_json(folder / VOCABULARY, lexicon.count_words(documents))
    sealed.write_json(folder / SIMILAR, likeness.similar(documents))


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


def _from_json(values: dict[str, Any]) -> Document:
    lists = {k: tuple(v) for k, v in values.items() if isinstance(v, list)}
    return Document(**(values | lists))
