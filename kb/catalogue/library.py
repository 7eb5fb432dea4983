"""All papers, read from the folders once and again when a file has changed."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from django.conf import settings
from rapidfuzz import fuzz, process

from kb.catalogue import entries, metadata
from kb.catalogue.code import Module
from kb.catalogue.papers import Paper
from kb.catalogue.parts import PARTS
from kb.catalogue.problems import Problem

__all__ = ["Library", "Paper", "library", "read"]

NOTES = (".md", ".qmd", ".markdown")
CHECK_SECONDS = 1.0
REMEDY = "correct that line; until then the page shows the entry without its code"


@dataclass
class Library:
    """The collection. papers: slug -> paper, ordered by part, year and title."""

    papers: dict[str, Paper] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)  # of folders, not of papers

    def get(self, slug: str) -> Paper | None:
        return self.papers.get(slug)

    @cached_property
    def fingerprint(self) -> str:
        """Changes with any text or code, and is the same on every machine."""
        texts = "".join(slug + p.text_hash for slug, p in self.papers.items())
        return hashlib.sha256(texts.encode()).hexdigest()

    @cached_property
    def modified(self) -> float:
        """Time of the newest entry or module, in seconds since 1970."""
        files = [p.path for p in self.papers.values()]
        files += [p.module.path for p in self.papers.values() if p.module]
        return max((f.stat().st_mtime for f in files if f.exists()), default=0.0)

    def nearest(self, slug: str) -> Paper | None:
        """The paper that was probably meant by a slug that does not exist."""
        names = {
            name: paper
            for paper in self.papers.values()
            for name in (paper.slug, *map(_folded, (paper.short, *paper.aliases)))
        }
        found = process.extractOne(
            _folded(slug), names.keys(), scorer=fuzz.ratio, score_cutoff=60
        )
        return names[found[0]] if found else None


def _folded(text: str) -> str:
    return entries.slugify(text, "_")


def read(papers: Path, impls: Path, extra: Sequence[Path] = ()) -> Library:
    """Reads front matter, sections and symbols; HTML waits until it is asked for.

    papers, impls: our own entries and modules. extra: folders of a reader's notes.
    """
    shelf: dict[str, Paper] = {}
    problems: list[Problem] = []
    for path in sorted(papers.glob("*.md")):
        source, cases = impls / f"{path.stem}.py", impls / "golden" / path.stem
        entry = entries.read(path)
        metadata.validate(entry)
        module = _module(source, entry) if source.is_file() else None
        shelf[path.stem] = Paper(
            path.stem, entry, shelf, module, cases if cases.is_dir() else None, papers,
            unread=source.is_file() and module is None,
        )
    for folder in extra:
        if not folder.is_dir():
            problems.append(
                Problem(folder, 1, "is no folder", "correct KB_PAPERS_DIRS")
            )
        for path in _notes(folder):
            slug = _free_slug(path, shelf)
            shelf[slug] = Paper(slug, entries.read(path), shelf)
    _sort(shelf)
    return Library(shelf, problems)


def _module(source: Path, entry: entries.Entry) -> Module | None:
    """The code of an entry; one that Python cannot read is reported and left out."""
    module = Module(source)
    if module.fault is None:
        return module
    if isinstance(module.fault, SyntaxError):
        line, why, remedy = module.fault.lineno or 1, module.fault.msg, REMEDY
    else:
        line, why, remedy = 1, "not UTF-8", "save it as UTF-8"
    entry.problems.append(Problem(source, line, f"is no Python: {why}", remedy))
    return None


def _notes(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        hidden = any(part.startswith((".", "_")) for part in inside)
        if path.suffix.lower() in NOTES and not hidden and not path.is_dir():
            yield path


def _free_slug(path: Path, taken: Iterable[str]) -> str:
    """The file's stem as a slug; a name that is taken gets a number behind it."""
    # A stem without a Latin letter still needs an address, and always the same one.
    digest = hashlib.sha256(path.stem.encode(errors="replace")).hexdigest()[:8]
    stem = entries.slugify(path.stem, "_") or f"note_{digest}"
    slug, number = stem, 1
    while slug in taken:
        number += 1
        slug = f"{stem}_{number}"
    return slug


def _sort(shelf: dict[str, Paper]) -> None:
    """Reorders in place: every paper holds this very mapping."""
    order = list(PARTS)

    def place(paper: Paper) -> tuple[int, int, str]:
        return order.index(paper.part), paper.year or 9999, paper.title.lower()

    ordered = sorted(shelf.values(), key=place)
    shelf.clear()
    shelf.update((paper.slug, paper) for paper in ordered)


@dataclass
class Cache:
    """The library last read, and by which state of the files."""

    library: Library | None = None
    folders: tuple[object, ...] = ()
    signature: int = 0
    checked: float = 0.0


_cache = Cache()
_lock = threading.Lock()


def library() -> Library:
    """The library of the folders in the settings.

    With DEBUG, files are looked at again once a second; without, they are read once.
    """
    extra = tuple(settings.EXTRA_PAPERS_DIRS)
    folders = (settings.PAPERS_DIR, settings.IMPLS_DIR, extra)
    with _lock:
        same = _cache.library is not None and _cache.folders == folders
        due = settings.DEBUG and time.monotonic() - _cache.checked > CHECK_SECONDS
        if not same or due:
            signature = _signature((*folders[:2], *extra))
            if not same or signature != _cache.signature:
                _cache.library = read(*folders)
            _cache.folders, _cache.signature = folders, signature
            _cache.checked = time.monotonic()
        assert _cache.library is not None
        return _cache.library


def _signature(folders: Iterable[Path]) -> int:
    """Changes whenever a file is added, removed or written."""
    files = [path for folder in folders for path in sorted(folder.rglob("*"))]
    states = [(p, p.stat()) for p in files if p.suffix != ".pyc" and p.is_file()]
    return hash(tuple((p, state.st_mtime_ns, state.st_size) for p, state in states))
