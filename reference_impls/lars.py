"""LARS: each layer steps in proportion to its weights, so that batches can be large.

Paper:    You, Gitman & Ginsburg, "Large Batch Training of Convolutional Networks",
          arXiv 1708.03888 (2017)
Differs:  1. the denominator is ||g + wd w||, as in all later code for self-supervised
             learning; the paper's ||g|| + wd ||w|| is `joint_norm=False`
          2. biases and the scales and shifts of norms take plain momentum steps without
             decay, as in the same code; the paper treats all layers alike
             (`exclude_bias_and_norm=False`)
          3. the learning rate multiplies the step and not what momentum remembers; the
             two agree while it is constant
          4. after a warm-up the decay takes the steps that are left, from lr itself
Checked:  facebookresearch/barlowtwins@8e8d284 main.py (the rule of moco-v3 and mae):
          weights over four steps to 1e-9

Letters:  w weights and g gradient of one layer, wd weight decay, eta trust coefficient
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Config:
    """The paper's recipe for image classifiers."""

    momentum: float = 0.9
    weight_decay: float = 5e-4
    eta: float = 0.001          # trust coefficient
    power: float = 2.0          # of the polynomial decay
    warmup_epochs: int = 5


TINY = Config()


def trust_ratio(w_norm: Tensor, u_norm: Tensor, eta: float) -> Tensor:
    """The local learning rate, eta ||w|| / ||u|| (Eq. 6); 1 where a norm is 0.

    Without the 1 a layer that starts at zero would never leave it.
    """
    defined = (w_norm > 0) & (u_norm > 0)
    return torch.where(defined, eta * w_norm / u_norm, 1.0)     # -- local rate


class LARS(torch.optim.Optimizer):
    """SGD with momentum, and for each layer a learning rate of its own (Alg. 1).

    exclude_bias_and_norm: no decay and no local rate for parameters of one dimension.
    joint_norm: measure the decayed gradient as a whole, or the paper's two parts.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.9,
        eta: float = 0.001,
        exclude_bias_and_norm: bool = True,
        joint_norm: bool = True,
    ):
        if lr < 0 or weight_decay < 0 or not 0 <= momentum < 1:
            raise ValueError(
                f"lr {lr} and weight_decay {weight_decay} must be >= 0, "
                f"momentum {momentum} in [0, 1)"
            )
        if eta <= 0:
            raise ValueError(f"eta {eta} must be above 0, or no layer would move")
        super().__init__(params, {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "eta": eta,
            "exclude_bias_and_norm": exclude_bias_and_norm, "joint_norm": joint_norm,
        })

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step for every parameter that has a gradient; returns closure's loss."""
        with torch.enable_grad():
            loss = closure() if closure else None
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._move(p, p.grad, group)
        return loss

    def _move(self, p: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state, wd = self.state[p], group["weight_decay"]
        if not state:
            state["mu"] = torch.zeros_like(p)
        mu = state["mu"].mul_(group["momentum"])
        if p.ndim <= 1 and group["exclude_bias_and_norm"]:
            mu.add_(grad)                                       # -- excluded
        else:
            u = grad.add(p, alpha=wd)                           # -- weight decay
            w_norm = p.norm()
            u_norm = u.norm() if group["joint_norm"] else grad.norm() + wd * w_norm
            mu.addcmul_(u, trust_ratio(w_norm, u_norm, group["eta"]))  # -- momentum
        p.sub_(mu, alpha=group["lr"])                           # -- step


def polynomial_lr(
    step: int, steps: int, lr: float, warmup_steps: int = 0, power: float = 2.0
) -> float:
    """The global learning rate: a linear warm-up to lr, then a decay to 0 (Alg. 1)."""
    if not 0 <= warmup_steps < steps:
        raise ValueError(
            f"{warmup_steps} warm-up steps do not fit in {steps}; shorten the warm-up"
        )
    if step < warmup_steps:
        return lr * (step + 1) / warmup_steps                   # -- warm-up
    progress = min(1.0, (step - warmup_steps) / (steps - warmup_steps))
    return lr * (1 - progress) ** power                         # -- decay
