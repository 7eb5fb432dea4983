"""Writing the index: one writer at a time, and what can go wrong in plain words."""

from __future__ import annotations

import errno
import fcntl
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kb.search.engine import EngineMissing

LOCK = "lock"
# Engines tell of a full disk in words of their own; with less left, that was it.
LEAST_ROOM = 64 << 20  # bytes
FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)


class IndexBusy(Exception):
    """Another process is writing the index."""


class IndexUnwritable(Exception):
    """No new index can be made; the text names the fault and the remedy."""


@contextmanager
def writer_lock(root: Path, seconds: float = 30.0) -> Iterator[None]:
    """Hold the writer's lock; the system frees it when its holder dies.

    Raises IndexBusy when another process keeps it for longer than `seconds`,
    IndexUnwritable where the folder cannot be written to.
    """
    with telling(root):
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
def telling(root: Path) -> Iterator[None]:
    """Turns what an operator can mend into IndexUnwritable; other errors pass."""
    try:
        yield
    except Exception as error:
        fault = _fault(root, error)
        if fault is None:
            raise
        raise IndexUnwritable(f"{fault}, then run manage.py index") from error


def _fault(root: Path, error: Exception) -> str | None:
    """Fault and remedy; None for an error that is no operator's to mend."""
    if isinstance(error, EngineMissing):
        return str(error)
    number = error.errno if isinstance(error, OSError) else None
    if number in FORBIDDEN:
        return f"{root} cannot be written to; allow it or set KB_VAR_DIR"
    there = next(path for path in (root, *root.parents) if path.exists())
    if number in FULL or shutil.disk_usage(there).free < LEAST_ROOM:
        return f"no room for a new index in {root}; make room"
    if number is not None:
        return f"{root} takes no new index ({error}); repair it or set KB_VAR_DIR"
    return None
