"""The losses on rho clips, beside the official way of writing them: one softmax per
query and key with the queue copied behind each, and lightly's SimCLR."""

import warnings
from collections.abc import Iterator

import torch
import torch.nn.functional as F

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import rho_video_ssl as rho


def moco_by_query(qs, ks, queue, T=0.1):
    qs, ks = ([F.normalize(z, dim=1) for z in clips] for clips in (qs, ks))
    total = 0.0
    for i, q in enumerate(qs):
        negatives = q @ queue.clone().T
        logits = torch.cat([
            torch.cat([(q * k).sum(1, keepdim=True), negatives], dim=1)
            for j, k in enumerate(ks) if j != i
        ]) / T
        first = torch.zeros(len(logits), dtype=torch.long)
        total = total + F.cross_entropy(logits, first)
    return total / len(qs)


def byol_by_query(ps, ks, T=0.5):
    ps, ks = ([F.normalize(z, dim=1) for z in clips] for clips in (ps, ks))
    losses = [
        -(p * k).sum(1).mean() / T
        for i, p in enumerate(ps) for j, k in enumerate(ks) if i != j
    ]
    return torch.stack(losses).mean()


def swav(s1, s2, T=0.1, eps=0.05, iters=3):
    total = 0.0
    for scores, other in ((s1, s2), (s2, s1)):
        with torch.no_grad():
            Q = torch.exp(scores / eps).t()
            Q = Q / Q.sum()
            for _ in range(iters):
                Q = Q * (1 / Q.shape[0] / Q.sum(1)).unsqueeze(1)
                Q = Q * (1 / Q.shape[1] / Q.sum(0)).unsqueeze(0)
            code = (Q / Q.sum(0, keepdim=True)).t()
        p = torch.softmax(other / T, dim=1)
        total = total - (code * torch.log(p)).sum(1).mean()
    return total / 2


def steps() -> Iterator[Step]:
    rho_, B, K = 4, 32, 16384
    z = leaves((B, 128), n=rho_)
    keys = [k.detach() for k in leaves((B, 128), n=rho_, seed=1)]
    queue = F.normalize(leaves((K, 128), seed=2)[0].detach(), dim=1)
    yield Step(
        f"rho_moco_loss rho {rho_}, {B}x128, queue {K}, forward + backward",
        "plain transcription",
        ours=lambda: backward(rho.rho_moco_loss(z, keys, queue), *z),
        theirs=lambda: backward(moco_by_query(z, keys, queue), *z),
    )
    yield Step(
        f"rho_byol_loss rho {rho_}, {B}x128, forward + backward", "plain transcription",
        ours=lambda: backward(rho.rho_byol_loss(z, keys), *z),
        theirs=lambda: backward(byol_by_query(z, keys), *z),
    )
    z1, z2 = leaves((256, 128), n=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lightly.loss import NTXentLoss
    peer = NTXentLoss(temperature=0.1)
    yield Step(
        "video_simclr_loss 256x128 forward + backward", "lightly NTXentLoss",
        ours=lambda: backward(rho.video_simclr_loss(z1, z2), z1, z2),
        theirs=lambda: backward(peer(z1, z2), z1, z2),
    )
    s1, s2 = ((0.1 * s).detach().requires_grad_() for s in leaves((256, 1000), n=2))
    yield Step(
        "video_swav_loss 256x1000 forward + backward", "plain transcription",
        ours=lambda: backward(rho.video_swav_loss(s1, s2), s1, s2),
        theirs=lambda: backward(swav(s1, s2), s1, s2),
    )
