"""DINO's loss and head beside lightly's, its attention beside timm's blocks."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from lightly.loss import DINOLoss
from lightly.models.modules import DINOProjectionHead
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import dino

K = 65536


def lightly_loss(
    peer: DINOLoss, student: Tensor, teacher: Tensor, center: Tensor, views: int
) -> Tensor:
    """One call, from the same centre each time (it moves the centre as well)."""
    peer.center = center[None]
    return peer(list(teacher.chunk(2)), list(student.chunk(views)))


def loss_and_centre(
    student: Tensor, teacher: Tensor, center: Tensor, views: int
) -> Tensor:
    loss = dino.dino_loss(student, teacher, center, views)
    dino.update_center(center, teacher)
    return loss


def last_attention(model: VisionTransformer, x: Tensor) -> Tensor:
    """timm's blocks but the last, then the weights of that one written out."""
    x = model._pos_embed(model.patch_embed(x))
    *blocks, last = model.blocks
    for block in blocks:
        x = block(x)
    B, T, D = x.shape
    h = last.attn.num_heads
    qkv = last.attn.qkv(last.norm1(x)).view(B, T, 3, h, D // h)
    q, k, _ = qkv.permute(2, 0, 3, 1, 4)
    return ((q @ k.mT) * (D // h) ** -0.5).softmax(-1)


def steps() -> Iterator[Step]:
    torch.manual_seed(0)
    peer, center = DINOLoss(K), 0.1 * torch.randn(1, K)
    teacher = leaves((16, K), seed=1)[0].detach()
    for views in (2, 10):
        (student,) = leaves((views * 8, K))
        yield Step(
            f"dino_loss and centre, 8 images, {views} crops, {K}, forward + backward",
            "lightly DINOLoss",
            ours=lambda s=student, v=views: backward(
                loss_and_centre(s, teacher, center, v), s
            ),
            theirs=lambda s=student, v=views: backward(
                lightly_loss(peer, s, teacher, center, v), s
            ),
        )
    head, theirs = dino.DINOHead(192, K), DINOProjectionHead(192)
    for ours, copy in zip(head.parameters(), theirs.parameters(), strict=True):
        copy.data = ours.data.view_as(copy)
    rows = leaves((16, 192))[0].detach()
    yield Step(
        f"DINOHead 192 to {K}, 16 rows, forward", "lightly DINOProjectionHead",
        ours=torch.inference_mode()(lambda: head(rows)),
        theirs=torch.inference_mode()(lambda: theirs(rows)),
    )
    net = dino.DinoVisionTransformer(224, 16, 192, 12, 3)
    timms = VisionTransformer(embed_dim=192, num_heads=3, num_classes=0)
    timms.load_state_dict(net.state_dict())
    image = leaves((1, 3, 224, 224))[0].detach()
    yield Step(
        "last self-attention, ViT-Tiny/16, an image of 224", "timm VisionTransformer",
        ours=torch.inference_mode()(lambda: net.get_last_selfattention(image)),
        theirs=torch.inference_mode()(lambda: last_attention(timms, image)),
    )
