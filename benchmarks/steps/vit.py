"""ViT beside timm's, with the same weights."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from timm.layers import Attention, resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import vit


def twins() -> tuple[nn.Module, nn.Module]:
    """ViT-Tiny/16 on 224 pixels with 10 classes, ours and timm's."""
    torch.manual_seed(0)
    ours = vit.ViT(224, 16, 192, 12, 3, num_classes=10)
    nn.init.normal_(ours.head.weight, std=0.02)
    theirs = VisionTransformer(embed_dim=192, num_heads=3, num_classes=10)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def train(model: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    """A step of learning rate 0, so that every turn starts from the same weights."""
    sgd = torch.optim.SGD(model.parameters(), lr=0.0)
    loss = cross_entropy(model(x), labels)
    sgd.zero_grad(), loss.backward(), sgd.step()
    return loss.detach()


@torch.inference_mode()
def predict(model: nn.Module, x: Tensor) -> Tensor:
    return model(x)


def steps() -> Iterator[Step]:
    ours, theirs = twins()
    (image,), (pair,) = leaves((1, 3, 224, 224)), leaves((2, 3, 224, 224))
    image, pair, labels = image.detach(), pair.detach(), torch.tensor([1, 4])
    yield Step(
        "ViT-Tiny/16, an image of 224, forward", "timm VisionTransformer",
        ours=lambda: predict(ours, image), theirs=lambda: predict(theirs, image),
    )
    yield Step(
        "ViT-Tiny/16, two images of 224, a training step", "timm VisionTransformer",
        ours=lambda: train(ours, pair, labels),
        theirs=lambda: train(theirs, pair, labels),
    )
    attention, peer = vit.Attention(192, 3), Attention(192, 3, qkv_bias=True)
    peer.load_state_dict(attention.state_dict())
    (tokens,) = leaves((4, 197, 192))
    yield Step(
        "attention 4x197x192, 3 heads, forward", "timm Attention",
        ours=lambda: predict(attention, tokens)[0],
        theirs=lambda: predict(peer, tokens),
    )
    yield Step(
        "attention 4x197x192, 3 heads, forward + backward", "timm Attention",
        ours=lambda: backward(attention(tokens)[0].square().sum(), tokens),
        theirs=lambda: backward(peer(tokens).square().sum(), tokens),
    )
    table = torch.randn(1, 197, 768)
    for side in (24, 37):
        yield Step(
            f"positions of 14x14 to {side}x{side}, width 768",
            "timm resample_abs_pos_embed",
            ours=lambda side=side: vit.interpolate_pos_embed(table, (side, side)),
            theirs=lambda side=side: resample_abs_pos_embed(table, [side, side]),
        )
