"""A few forked processes at a time: what is loaded here need not be loaded again."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import torch

HEAVY = "torch._dynamo", "lightly.loss", "timm", "sklearn.neighbors"


def preload() -> None:
    """Load here, once, what takes the tests seconds to import; processes fork off."""
    torch.set_num_threads(1)  # also what makes it safe to fork with torch loaded
    for name in HEAVY:
        import_module(name)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    gc.freeze()  # nothing of all that is looked at again by the garbage collector


class Forks:
    """Processes that each send one answer and end.

    patience: seconds; a process that takes longer is killed.
    """

    def __init__(self, patience: float):
        self.patience = patience
        self.running: dict[Connection, tuple[Any, BaseProcess, float]] = {}

    def start(self, task: Any, target: Callable[..., None], *given: Any) -> None:
        """Call target(*given, connection) in a new process, on behalf of `task`."""
        context = get_context("fork")
        reading, writing = context.Pipe(duplex=False)
        process = context.Process(target=target, args=(*given, writing))
        process.start()
        writing.close()
        self.running[reading] = task, process, time.monotonic() + self.patience

    def answers(self) -> Iterator[tuple[Any, Any]]:
        """Tasks that have ended since, after a second at most, and what each sent.

        In place of an answer stands "died" or "never ended".
        """
        ready: set[Any] = set(wait(list(self.running), timeout=1))
        now = time.monotonic()
        late = {r for r, (_, _, end) in self.running.items() if now > end}
        for reading in ready | late:
            task, process, _ = self.running.pop(reading)
            told = answer_of(reading) if reading in ready else "never ended"
            process.kill()
            process.join()
            yield task, told


def answer_of(reading: Connection) -> Any:
    """What a process sent before it ended."""
    try:
        return reading.recv()
    except EOFError:
        return "died"
