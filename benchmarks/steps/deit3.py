"""DeiT III's network, loss and optimiser beside timm's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from timm.loss import BinaryCrossEntropy
from timm.models.vision_transformer import VisionTransformer
from timm.optim import Lamb
from torch import Tensor, nn

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import deit3


@torch.inference_mode()
def predict(model: nn.Module, x: Tensor) -> Tensor:
    return model(x)


def optimise(
    optimiser: Callable[..., torch.optim.Optimizer], model: nn.Module
) -> Callable[[], list[Tensor]]:
    """Steps with the same gradients each time, on a copy of the model's parameters."""
    generator = torch.Generator().manual_seed(0)
    copies = [nn.Parameter(p.detach().clone()) for p in model.parameters()]
    for p in copies:
        p.grad = torch.randn(p.shape, generator=generator) * 1e-4
    groups = [
        {"params": [p for p in copies if p.ndim > 1], "weight_decay": 0.05},
        {"params": [p for p in copies if p.ndim == 1], "weight_decay": 0.0},
    ]
    lamb = optimiser(groups, lr=1e-3)

    def step() -> list[Tensor]:
        lamb.step()
        return [p.detach().clone() for p in copies[:4]]

    return step


def steps() -> Iterator[Step]:
    torch.manual_seed(0)
    ours = deit3.DeiT3ViT(dim=192, heads=3, num_classes=1000).eval()
    theirs = VisionTransformer(
        embed_dim=192, num_heads=3, init_values=1e-4, no_embed_class=True
    ).eval()
    ours.load_state_dict(theirs.state_dict())
    (image,) = leaves((1, 3, 224, 224))
    yield Step(
        "DeiT III-Ti/16, an image of 224, forward", "timm VisionTransformer",
        ours=lambda: predict(ours, image), theirs=lambda: predict(theirs, image),
    )
    yield Step(
        "LAMB step, 5.7 million parameters", "timm Lamb",
        ours=optimise(deit3.Lamb, ours), theirs=optimise(Lamb, ours),
    )
    (logits,) = leaves((256, 1000))
    labels = torch.arange(256) * 3 % 1000
    mixed = torch.zeros(256, 1000).scatter_(1, labels[:, None], 0.7)
    mixed += torch.zeros(256, 1000).scatter_(1, labels.flip(0)[:, None], 0.3)
    peer = BinaryCrossEntropy(smoothing=0.0, target_threshold=0.0)
    yield Step(
        "deit3_bce_loss 256x1000 forward + backward", "timm BinaryCrossEntropy",
        ours=lambda: backward(deit3.deit3_bce_loss(logits, mixed), logits),
        theirs=lambda: backward(peer(logits, mixed), logits),
    )
