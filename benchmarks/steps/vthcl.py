"""Visual tempo consistency, beside one softmax per direction and level with the
positive put in front of the bank."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import vthcl


def by_softmax(fast, slow, bank_slow, bank_fast, T=0.07):
    def nce(query, positive, bank):
        query, positive = F.normalize(query, dim=1), F.normalize(positive, dim=1)
        right = (query * positive).sum(dim=1, keepdim=True)
        logits = torch.cat([right, query @ bank.T], dim=1) / T
        return F.cross_entropy(logits, torch.zeros(len(query), dtype=torch.long))

    return sum(
        nce(f, s, b_slow) + nce(s, f, b_fast)
        for f, s, b_slow, b_fast in zip(fast, slow, bank_slow, bank_fast, strict=True)
    )


def steps() -> Iterator[Step]:
    fast, slow = leaves((2, 32, 128), n=2)
    banks = [F.normalize(bank.detach(), dim=2) for bank in leaves((2, 8192, 128), n=2)]
    given = fast, slow, *banks
    yield Step(
        "vthcl_loss 2 levels, 32x128, banks 8192, forward + backward",
        "plain transcription",
        ours=lambda: backward(vthcl.vthcl_loss(*given), fast, slow),
        theirs=lambda: backward(by_softmax(*given), fast, slow),
    )
