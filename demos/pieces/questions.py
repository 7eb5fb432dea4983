"""What a loss asks: the logits and right answers that it hands to the cross-entropy.

The numbers are the very ones of the paper's function, without a second version of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class Questions(TorchFunctionMode):
    """While it is entered, every cross-entropy's logits and targets are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Tensor, Tensor]] = []

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if function is F.cross_entropy:
            self.asked.append((args[0].detach(), args[1]))
        return function(*args, **(kwargs or {}))
