"""The index in this process: opened once, kept up with the papers, never in the way.

A search is answered from the last good generation. When the library or the pointer
has changed, the next one is made in a background thread; only a first start without
any index waits for it.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from kb.catalogue.library import Library, library
from kb.search import generations
from kb.search.documents import documents
from kb.search.generations import Generation

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refreshed:
    """What `LiveIndex.refresh` did."""

    rebuilt: bool
    documents: int
    seconds: float


class LiveIndex:
    """The index under one folder, with one engine."""

    def __init__(self, root: Path, engine: str) -> None:
        self.root = root
        self.engine = engine
        self._current: Generation | None = None
        self._pointer: tuple[int, int] | None = None
        self._seen: Library | None = None
        self._change = threading.Lock()
        self._refreshing = threading.Lock()

    def generation(self) -> Generation:
        """The generation to search in; blocks only while there is none at all."""
        state = generations.pointer_state(self.root)
        if state is None or state != self._pointer:
            self._reopen()
        if self._current is None:
            self.refresh()
        elif library() is not self._seen:
            self._refresh_later()
        assert self._current is not None
        return self._current

    def refresh(self, *, force: bool = False) -> Refreshed:
        """Rebuild if papers, analysis or engine changed, or the index broke.

        Raises generations.IndexBusy if another process keeps the writer's lock.
        """
        started = time.perf_counter()
        shelf = library()
        found = documents(shelf)
        wanted = generations.content_hash(found, self.engine)
        with generations.writer_lock(self.root):
            if not force:
                self._reopen()
            unread = self._pointer != generations.pointer_state(self.root)
            stale = force or self._current is None or self._current.hash != wanted
            if stale or unread:
                self._current = generations.write(self.root, found, self.engine)
                self._pointer = generations.pointer_state(self.root)
        self._seen = shelf
        return Refreshed(stale or unread, len(found), time.perf_counter() - started)

    def _reopen(self) -> None:
        """Take up what the pointer says now, unless that cannot be read."""
        with self._change:
            state = generations.pointer_state(self.root)
            if state is not None and state == self._pointer:
                return
            opened = generations.open_current(self.root)
            if opened is not None:
                self._current, self._pointer = opened, state
            elif state is None:
                self._current = self._pointer = None
            else:
                self._seen = None  # answer from the last good one, and rebuild

    def _refresh_later(self) -> None:
        """Refresh in a thread, one at a time."""
        if self._refreshing.acquire(blocking=False):
            threading.Thread(target=self._refresh_quietly, daemon=True).start()

    def _refresh_quietly(self) -> None:
        shelf = library()
        try:
            done = self.refresh()
            if done.rebuilt:
                log.info("search index rebuilt: %d documents", done.documents)
        except Exception:
            # Searches go on in the last good index; the next change tries again.
            log.exception("the search index could not be rebuilt")
            self._seen = shelf
        finally:
            self._refreshing.release()


@lru_cache(maxsize=4)
def _at(root: Path, engine: str) -> LiveIndex:
    return LiveIndex(root, engine)


def live_index() -> LiveIndex:
    """The index that the settings name."""
    return _at(settings.VAR_DIR / "index", settings.SEARCH_ENGINE)
