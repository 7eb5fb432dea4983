"""Hear a model at work, so that a long step can still be stopped half way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

from torch import Tensor, nn

PACE = 0.1  # seconds between two calls of `alive` beside a thread
Result = TypeVar("Result")


@contextmanager
def listening(model: nn.Module, alive: Callable[[], None]) -> Iterator[None]:
    """Call `alive` after each submodule's forward pass, and in the backward pass.

    What `alive` raises ends the step: that is how a run is cancelled within a second.
    """

    def heard(module: nn.Module, args: tuple, output: object) -> None:
        alive()
        if isinstance(output, Tensor) and output.requires_grad:
            output.register_hook(lambda gradient: alive())

    handles = [part.register_forward_hook(heard) for part in model.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def beside(work: Callable[[], Result], alive: Callable[[], None]) -> Result:
    """What `work` gives; it has no parts to hear, so a thread does it.

    What `alive` raises is raised at once, and the thread is left to end by itself: so
    `work` must write nothing.
    """
    lone = ThreadPoolExecutor(1)
    try:
        future = lone.submit(work)
        while not wait([future], PACE).done:
            alive()
        return future.result()
    finally:
        lone.shutdown(wait=False)
