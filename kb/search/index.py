"""The index in this process: opened once, kept up with the papers, never in the way.

A search is answered from the last good generation. When the library or the pointer
has changed, the next one is made in a background thread. A search waits for it only
where there is no index at all, or where the files of this one were damaged.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from kb.catalogue.library import Library, Paper, library
from kb.search import generations
from kb.search.documents import documents
from kb.search.generations import Generation

log = logging.getLogger(__name__)

# After a build that failed: a full disk is not asked again by every search.
PAUSE = 30.0


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
        self._unreadable: tuple[int, int] | None = None
        self._seen: Library | None = None
        self._not_before = 0.0  # by the monotonic clock
        self._change = threading.Lock()
        self._refreshing = threading.Lock()

    def generation(self) -> Generation:
        """The generation to search in.

        Raises generations.IndexUnwritable where there is none and none can be made.
        """
        self._reopen()
        if self._current is None:
            self.refresh()
        elif self._current.damaged and self._may_try():
            self._refresh_quietly()
        found = self.at_hand()
        assert found is not None
        return found

    def at_hand(self) -> Generation | None:
        """The last good generation without waiting for any; a stale one is renewed."""
        self._reopen()
        if (self._current is None or library() is not self._seen) and self._may_try():
            self._refresh_later()
        return self._current

    def refresh(self, *, force: bool = False) -> Refreshed:
        """Rebuild if papers, analysis or engine changed, or the index broke.

        Raises generations.IndexBusy if another process keeps the writer's lock,
        IndexUnwritable if the disk takes no new index.
        """
        started = time.perf_counter()
        shelf = library()
        found = documents(shelf)
        wanted = generations.content_hash(found, self.engine)
        rebuilt = False
        # Without the lock first: an index that is there needs no folder to write to.
        if force or not self._holds(wanted):
            with generations.writer_lock(self.root):
                if force or not self._holds(wanted):
                    self._current = generations.write(self.root, found, self.engine)
                    self._pointer = generations.pointer_state(self.root)
                    rebuilt = True
        self._seen = shelf
        return Refreshed(rebuilt, len(found), time.perf_counter() - started)

    def _holds(self, wanted: str) -> bool:
        """Whether the pointer leads to a sound index with this content."""
        self._reopen()
        current = self._current
        if current is None or self._pointer != generations.pointer_state(self.root):
            return False
        return current.hash == wanted and not current.damaged

    def _may_try(self) -> bool:
        return time.monotonic() >= self._not_before

    def _reopen(self) -> None:
        """Take up what the pointer says now, unless that cannot be read."""
        with self._change:
            state = generations.pointer_state(self.root)
            if state == self._pointer or (state and state == self._unreadable):
                return
            opened = generations.open_current(self.root)
            if opened is not None:
                self._current, self._pointer = opened, state
            else:
                # Answer from the last good one, and rebuild.
                self._unreadable, self._seen = state, None

    def _refresh_later(self) -> None:
        """Refresh in a thread, one at a time."""
        if self._refreshing.acquire(blocking=False):
            threading.Thread(target=self._refresh_behind, daemon=True).start()

    def _refresh_behind(self) -> None:
        try:
            self._refresh_quietly()
        finally:
            self._refreshing.release()

    def _refresh_quietly(self) -> None:
        try:
            done = self.refresh()
            if done.rebuilt:
                log.info("search index rebuilt: %d documents", done.documents)
        except Exception:
            # Searches go on in the last good index; one of them tries again later.
            log.exception("the search index could not be rebuilt")
            self._not_before = time.monotonic() + PAUSE


@lru_cache(maxsize=4)
def _at(root: Path, engine: str) -> LiveIndex:
    return LiveIndex(root, engine)


def live_index() -> LiveIndex:
    """The index that the settings name."""
    return _at(settings.VAR_DIR / "index", settings.SEARCH_ENGINE)


def alike(paper: Paper) -> list[Paper]:
    """The papers most like this one, as the index at hand knows them; never waits."""
    found = live_index().at_hand()
    slugs = found.similar.get(paper.slug, []) if found else []
    return [paper.shelf[slug] for slug in slugs if slug in paper.shelf]
