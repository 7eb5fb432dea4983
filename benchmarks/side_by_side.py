"""Two ways to compute one thing, timed in turns so that both see the same machine.

A file in `benchmarks/steps/` defines `steps()`, which yields `Step`s:

    def steps() -> Iterator[Step]:
        z1, z2 = leaves((256, 256), n=2)
        peer = NTXentLoss(temperature=0.1)
        yield Step(
            "nt_xent 256x256 forward + backward", "lightly NTXentLoss",
            ours=lambda: backward(simclr.nt_xent_loss(z1, z2), z1, z2),
            theirs=lambda: backward(peer(z1, z2), z1, z2),
        )

Both sides must do the same work on the same inputs and give the same numbers; return
what was computed and it is compared once before the clock starts (`same=False` only
where the peer's convention differs, with the reason in a comment).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Step:
    """One core step of a paper, ours and a peer's. Both return what they computed."""

    name: str
    peer: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    same: bool = True
    tolerance: float = 1e-3  # relative, of results in float32


def leaves(shape: tuple[int, ...], n: int = 1, seed: int = 0) -> list[Tensor]:
    """n normal float32 tensors that collect gradients."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).requires_grad_() for _ in range(n)]


def backward(loss: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    """The loss and its gradients with respect to the inputs."""
    return (loss.detach(), *torch.autograd.grad(loss, inputs))


def measure(step: Step, seconds: float = 4.0) -> dict[str, Any]:
    """Milliseconds of both sides, the least of many turns, and peer / ours.

    ratio_median says the same by the middle turn; far from `ratio`, the machine
    was busy.
    """
    if step.same:
        agree(step)
    for work in (step.ours, step.theirs):
        work()
    ours, theirs = [], []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(ours) < 5:
        ours.append(timed(step.ours))
        theirs.append(timed(step.theirs))
    return {
        "step": step.name,
        "ours_ms": round(min(ours), 4),
        "peer": step.peer,
        "peer_ms": round(min(theirs), 4),
        "ratio": round(min(theirs) / min(ours), 3),
        "ratio_median": round(statistics.median(theirs) / statistics.median(ours), 3),
    }


def timed(work: Callable[[], Any]) -> float:
    """Milliseconds of one call."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def agree(step: Step) -> None:
    """Raises AssertionError where the two sides computed different things."""
    ours, theirs = flat(step.ours()), flat(step.theirs())
    lengths = len(ours), len(theirs)
    assert len(ours) == len(theirs), f"{step.name}: {lengths} results"
    for a, b in zip(ours, theirs, strict=True):
        scale = float(b.abs().max()) if b.numel() else 0.0
        torch.testing.assert_close(
            a, b, check_dtype=False, rtol=step.tolerance, atol=step.tolerance * scale,
            msg=lambda text: f"{step.name} against {step.peer}: {text}",
        )


def flat(result: Any) -> list[Tensor]:
    """Every tensor in nested tuples and lists, detached."""
    if isinstance(result, tuple | list):
        return [tensor for part in result for tensor in flat(part)]
    return [torch.as_tensor(result).detach()]
