"""A training step of CapDec: prefix and caption through the decoder, then the loss."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import capdec

B, T, V, E = 8, 20, 8000, 128


def scoring_all(model: capdec.CapDec, z: Tensor, tokens: Tensor) -> Tensor:
    """A language model scores every position, then the loss drops the prefix's."""
    prefix = model.mapper(z)
    hidden = model.decoder(torch.cat([prefix, model.decoder.wte(tokens)], dim=1))
    logits = hidden @ model.decoder.wte.weight.T
    shifted = logits[:, prefix.shape[1] - 1:-1]
    return F.cross_entropy(shifted.reshape(-1, V), tokens.flatten(), ignore_index=0)


def steps() -> Iterator[Step]:
    torch.manual_seed(0)
    config = capdec.Config(
        kind="mlp", vocab=V, width=E, depth=2, heads=4, max_length=64
    )
    model = capdec.build(config)
    (z,) = leaves((B, config.clip_dim))
    tokens = torch.randint(1, V, (B, T))
    P = config.prefix_length
    yield Step(
        f"caption step, prefix {P}, {B} x {T} tokens of {V}, forward + backward",
        "plain transcription",
        ours=lambda: backward(capdec.caption_loss(model(z, tokens), tokens), z),
        theirs=lambda: backward(scoring_all(model, z, tokens), z),
    )
