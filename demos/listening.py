"""Hear a model at work, so that a long step can still be stopped half way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn


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
