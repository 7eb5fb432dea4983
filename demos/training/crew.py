"""One process or several: `torchrun --nproc-per-node 2 -m demos.train …`.

The reference modules gather and centre through `torch.distributed` by themselves once
it is initialised; what is left is here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Crew:
    """This process among its like. device: where its model and pictures lie."""

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this one shows progress and writes files."""
        return self.rank == 0

    def joined(self, learner: nn.Module) -> nn.Module:
        """The learner, its gradients averaged over the crew at each step back.

        Methods freeze parts of themselves on the way, hence the unused parameters.
        """
        if self.size == 1:
            return learner
        return DistributedDataParallel(learner, find_unused_parameters=True)

    def total(self, *numbers: float) -> list[float]:
        """Each number added up over the crew."""
        if self.size == 1:
            return list(numbers)
        together = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.all_reduce(together)
        return together.tolist()


@contextmanager
def crew(device: str) -> Iterator[Crew]:
    """The crew that torchrun started, or one process alone. device: cpu or cuda."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Crew(torch.device(device))
        return
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    here = f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" else device
    try:
        yield Crew(torch.device(here), dist.get_rank(), size)
    finally:
        dist.destroy_process_group()
