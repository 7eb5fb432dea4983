"""The dense contrastive loss, beside Eq. 5 with its six indices and beside the official
way by a mask of kinds."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import dpc


def equation(pred, target):
    """-log of the positive's exponential over the sum of all, term by term."""
    scores = torch.einsum("bpdij,cqdkl->bpijcqkl", pred, target)
    n = pred.shape[0] * pred.shape[1] * pred.shape[3] * pred.shape[4]
    scores = scores.reshape(n, n)
    scores = scores - scores.max(dim=1, keepdim=True).values
    return -(scores.diagonal().exp() / scores.exp().sum(dim=1)).log().mean()


def by_mask(pred, target):
    """Kinds of pairs written into a six-dimensional mask, the positive looked up."""
    B, P, D, h, w = pred.shape
    S = h * w
    z_hat = pred.permute(0, 1, 3, 4, 2).contiguous().view(B * P * S, D)
    z = target.permute(0, 1, 3, 4, 2).contiguous().view(B * P * S, D).transpose(0, 1)
    mask = torch.zeros(B, P, S, B, P, S, dtype=torch.int8)
    b, s, p = torch.arange(B), torch.arange(S), torch.arange(P)
    mask[b, :, :, b] = -3
    for k in range(B):
        mask[k, :, s, k, :, s] = -1
        for i in range(S):
            mask[k, p, i, k, p, i] = 1
    right = (mask == 1).view(B * P * S, -1).int().argmax(dim=1)
    return F.cross_entropy(torch.matmul(z_hat, z), right)


def steps() -> Iterator[Step]:
    # UCF101 at 128 pixels: 16 videos, 3 steps, 4 x 4 places, 256 features.
    pred, target = leaves((16, 3, 256, 4, 4), n=2)
    pred, target = (0.1 * x.detach() for x in (pred, target))
    pred.requires_grad_(), target.requires_grad_()
    for name, peer in (("Eq. 5", equation), ("mask", by_mask)):
        yield Step(
            f"dpc_loss 16x3x256x4x4 ({name}) forward + backward", "plain transcription",
            ours=lambda: backward(dpc.dpc_loss(pred, target), pred, target),
            theirs=lambda f=peer: backward(f(pred, target), pred, target),
        )
