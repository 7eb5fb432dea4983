"""Zipf matching, beside distances and divergence written down; the weighted total,
beside a double sum."""

from collections.abc import Iterator

import torch

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import elo

PEER = "plain transcription"


def zipf_kl(x, centroids, s=1.0):
    p = torch.softmax(-torch.cdist(x, centroids) ** 2, dim=1).mean(dim=0)
    p = torch.sort(p, descending=True).values
    q = torch.tensor([1 / i**s for i in range(1, len(p) + 1)])
    q = q / q.sum()
    return (p * torch.log(p / q)).sum()


def total(losses, lambdas, main, aux, lambda_d):
    loss = torch.zeros(())
    for m in range(losses.shape[0]):
        for t in range(losses.shape[1]):
            loss = loss + lambdas[m, t] * losses[m, t]
    for d in range(len(lambda_d)):
        loss = loss + lambda_d[d] * ((main[d] - aux[d]) ** 2).sum().sqrt()
    return loss


def steps() -> Iterator[Step]:
    x = 0.1 * leaves((2000, 64))[0].detach()
    centroids = 0.1 * leaves((100, 64), seed=1)[0].detach()
    yield Step(
        "zipf_kl 2000x64, 100 clusters", PEER,
        ours=lambda: elo.zipf_kl(x, centroids), theirs=lambda: zipf_kl(x, centroids),
    )
    losses, lambdas = (z.detach().abs() for z in leaves((3, 4), n=2))
    losses.requires_grad_()
    main, aux = leaves((2, 32, 512), n=2)
    given = losses, lambdas, main, aux, torch.tensor([0.3, 0.7])
    yield Step(
        "elo_total_loss 3x4 tasks, 2 distillations of 32x512, forward + backward", PEER,
        ours=lambda: backward(elo.elo_total_loss(*given), losses, main),
        theirs=lambda: backward(total(*given), losses, main),
    )
