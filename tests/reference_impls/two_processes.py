"""Two gloo processes on this machine, for the terms that cross devices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor


def on_two(
    work: Callable[..., Tensor], folder: Path, *tensors: Tensor
) -> tuple[Tensor, Tensor]:
    """What `work` returns in each of two processes, given its half of every tensor.

    work: a function at the top of a test module, (*halves) to one tensor. Each tensor
    is cut in two along its first dimension. folder: an empty one, to meet in.
    """
    torch.save((work, tensors), folder / "given.pt")
    # Forked, they need not import torch again, and see the modules as they are here.
    torch.multiprocessing.start_processes(
        _one, (str(folder),), nprocs=2, start_method="fork"
    )
    first, second = (torch.load(folder / f"answer{rank}.pt") for rank in range(2))
    return first, second


def _one(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
    )
    work, tensors = torch.load(f"{folder}/given.pt", weights_only=False)
    answer = work(*(tensor.chunk(2)[rank] for tensor in tensors))
    torch.save(answer.detach(), f"{folder}/answer{rank}.pt")
    dist.destroy_process_group()
