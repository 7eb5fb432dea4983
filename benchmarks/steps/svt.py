"""The loss beside DINO's of lightly, and a layer of divided attention."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from lightly.loss import DINOLoss
from timm.models.vision_transformer import Attention, Block
from torch import Tensor, nn

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import svt

B, K = 8, 65536


class Divided(Block):
    """The layer as TimeSformer's authors compose it, of timm's parts."""

    def __init__(self, dim: int, heads: int):
        super().__init__(dim, heads, qkv_bias=True)
        self.temporal_norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.temporal_attn = Attention(dim, heads, qkv_bias=True)
        self.temporal_fc = nn.Linear(dim, dim)

    def forward(self, x: Tensor, T: int) -> Tensor:
        B, _, C = x.shape
        N = (x.shape[1] - 1) // T
        xt = x[:, 1:].reshape(B * N, T, C)
        mixed = self.temporal_attn(self.temporal_norm1(xt)).reshape(B, N * T, C)
        xt = x[:, 1:] + self.temporal_fc(mixed)
        first = x[:, :1]
        cls = first.repeat(1, T, 1).reshape(B * T, 1, C)
        xs = xt.reshape(B, N, T, C).permute(0, 2, 1, 3).reshape(B * T, N, C)
        mixed = self.attn(self.norm1(torch.cat([cls, xs], 1)))
        cls = mixed[:, 0].reshape(B, T, C).mean(1, keepdim=True)
        rest = mixed[:, 1:].reshape(B, T, N, C).permute(0, 2, 1, 3).reshape(B, N * T, C)
        x = torch.cat([first, xt], 1) + torch.cat([cls, rest], 1)
        return x + self.mlp(self.norm2(x))


def steps() -> Iterator[Step]:
    for V in (2, 10):
        (student,), (teacher,) = leaves((V * B, K)), leaves((2 * B, K), seed=1)
        teacher = teacher.detach()

        def ours(student: Tensor = student, teacher: Tensor = teacher, V: int = V):
            loss, center = svt.svt_loss(student, teacher, torch.zeros(1, K), V)
            return *backward(loss, student), center

        def theirs(student: Tensor = student, teacher: Tensor = teacher, V: int = V):
            peer = DINOLoss(K, 0.04, 0.04, 1)
            loss = peer(list(teacher.chunk(2)), list(student.chunk(V)), epoch=0)
            return *backward(loss, student), peer.center.view(1, K)

        yield Step(
            f"svt_loss {B} clips, {V} views, {K} prototypes forward + backward",
            "lightly DINOLoss", ours=ours, theirs=theirs,
        )
    torch.manual_seed(0)
    block, peer = svt.SpaceTimeBlock(192, 3), Divided(192, 3)
    peer.load_state_dict(block.state_dict())
    (tokens,) = leaves((2, 1 + 49 * 8, 192))
    yield Step(
        "divided attention 2 x (1 + 49 x 8) x 192 forward + backward",
        "plain transcription of timm's parts",
        ours=lambda: backward(block(tokens, 8).square().sum(), tokens),
        theirs=lambda: backward(peer(tokens, 8).square().sum(), tokens),
    )
