"""Expensive stages of demos, kept on disk, so that a slider answers at once.

A stage is a few arrays. Files are written under another name and then renamed, so a
reader sees a whole file or none, whoever writes or is killed beside it. What is long
unused goes, and sooner when there are too many bytes. Losing the folder loses time.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from demos.fingerprint import ROOT, digest

STAGE, PART = ".safetensors", ".part"
Arrays = dict[str, np.ndarray]
LIMIT = 512 * 1024 * 1024  # bytes of all stages together
KEPT = 7 * 24 * 3600       # seconds: as long as results are
ABANDONED = 3600           # seconds after which an unfinished file has no writer


def usual_folder() -> Path:
    """KB_STAGE_DIR, else the folder `stages` in the site's own KB_VAR_DIR."""
    var = os.environ.get("KB_VAR_DIR") or ROOT / "var"
    return Path(os.environ.get("KB_STAGE_DIR") or Path(var) / "stages")


@dataclass(frozen=True)
class Stages:
    """The stages in a folder, which is made when first written to."""

    folder: Path
    limit: int = LIMIT

    def recall(self, question: object, work: Callable[[], Arrays]) -> Arrays:
        """The arrays that answer the question, computed by `work` the first time.

        question: JSON that names everything the answer depends on.
        """
        text = json.dumps(question, sort_keys=True)
        file = self.folder / f"{digest([text.encode()])}{STAGE}"
        found = self.read(file)
        if found is None:
            found = {n: np.ascontiguousarray(a) for n, a in work().items()}
            with contextlib.suppress(OSError):  # a full disk costs time, not the result
                self.write(file, found)
        return found

    def read(self, file: Path) -> Arrays | None:
        """A stored stage, now the most recently used; None where there is none."""
        try:
            arrays = load(file.read_bytes())
            os.utime(file)
        except (OSError, SafetensorError):
            return None
        return arrays

    def write(self, file: Path, arrays: Arrays) -> None:
        """Store a stage and make room for it. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(PART, dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as part:
                part.write(save(arrays))
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        self.trim()

    def trim(self) -> None:
        """Remove what was not used for KEPT, then the longest unused, to the limit."""
        found = []
        for path in self.folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process trims too
                about = path.stat()
                if path.suffix in (STAGE, PART):
                    found.append((about.st_mtime, about.st_size, path))
        total, now = sum(size for _, size, _ in found), time.time()
        for used, size, path in sorted(found):
            patience = ABANDONED if path.suffix == PART else KEPT
            full = total > self.limit and path.suffix == STAGE
            if full or now - used > patience:
                path.unlink(missing_ok=True)
                total -= size
