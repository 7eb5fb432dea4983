"""One step of the optimiser over a whole network, many layers small and many large."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from lightly.utils.lars import LARS as LightlyLARS
from timm import create_model
from timm.optim import Lars as TimmLars
from torch import Tensor, nn

from benchmarks.side_by_side import Step
from reference_impls.lars import LARS

LR, DECAY = 0.2, 1e-4


class Transcription(torch.optim.Optimizer):
    """The rule with the norm of the decayed gradient, parameter by parameter."""

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                u = p.grad
                if p.ndim > 1:
                    u = u + DECAY * p
                    w_norm, u_norm = p.norm(), u.norm()
                    if w_norm > 0 and u_norm > 0:
                        u = u * 0.001 * w_norm / u_norm
                mu = self.state[p].setdefault("mu", torch.zeros_like(p))
                mu.mul_(0.9).add_(u)
                p.sub_(LR * mu)


def shapes(name: str) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for p in create_model(name).parameters()]


def stepping(
    sizes: list[tuple[int, ...]], make: Callable[[list[nn.Parameter]], Any]
) -> Callable[[], list[Tensor]]:
    """One step of an optimiser over parameters of its own; returns the parameters."""
    generator = torch.Generator().manual_seed(0)
    params = [nn.Parameter(torch.randn(s, generator=generator)) for s in sizes]
    for p in params:
        p.grad = torch.randn(p.shape, generator=generator)
    optimiser = make(params)

    def step() -> list[Tensor]:
        optimiser.step()
        return list(params)

    return step


def groups(params: list[nn.Parameter]) -> list[dict[str, Any]]:
    """Weights, then biases and norms without decay, as the packages want to be told."""
    return [
        {"params": [p for p in params if p.ndim > 1]},
        {"params": [p for p in params if p.ndim <= 1], "weight_decay": 0.0},
    ]


def steps() -> Iterator[Step]:
    for model in ("resnet18", "vit_tiny_patch16_224"):
        sizes = shapes(model)
        yield Step(
            f"LARS step, {model}", "plain transcription",
            ours=stepping(sizes, lambda ps: LARS(ps, LR, DECAY)),
            theirs=stepping(sizes, lambda ps: Transcription(ps, {})),
        )
        yield Step(
            f"LARS step with the paper's norms, {model}", "timm Lars",
            ours=stepping(sizes, lambda ps: LARS(ps, LR, DECAY, joint_norm=False)),
            theirs=stepping(
                sizes, lambda ps: TimmLars(groups(ps), LR, 0.9, weight_decay=DECAY)
            ),
        )
        yield Step(
            f"LARS step with the paper's norms, {model}", "lightly LARS",
            ours=stepping(sizes, lambda ps: LARS(ps, LR, DECAY, joint_norm=False)),
            theirs=stepping(
                sizes, lambda ps: LightlyLARS(groups(ps), LR, 0.9, weight_decay=DECAY)
            ),
        )
