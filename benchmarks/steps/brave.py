"""The loss and its head beside lightly's, and the temporal shift."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules.heads import ProjectionHead
from torch import Tensor, nn

from benchmarks.side_by_side import Step, backward, leaves
from reference_impls import brave


def shifted(x: Tensor) -> Tensor:
    """Slices written into zeros, as the temporal shift is usually coded."""
    c, out = x.shape[1] // 8, torch.zeros_like(x)
    out[:, :c, :-1] = x[:, :c, 1:]
    out[:, c:2 * c, 1:] = x[:, c:2 * c, :-1]
    out[:, 2 * c:] = x[:, 2 * c:]
    return out


def twins() -> tuple[brave.ProjectAndPredict, nn.ModuleList]:
    """A head for features of 512, ours and lightly's, with the same weights."""
    ours = brave.ProjectAndPredict(512, 1024, 128)
    f = ProjectionHead([(512, 1024, nn.BatchNorm1d(1024), nn.ReLU()),
                        (1024, 128, nn.BatchNorm1d(128), None)])
    h = ProjectionHead([(128, 1024, nn.BatchNorm1d(1024), nn.ReLU()),
                        (1024, 128, None, None)])
    f.layers[0].weight, f.layers[3].weight = (
        ours.projector.linear.weight, ours.projector.linear_1.weight,
    )
    h.layers[0].weight, h.layers[3].weight = (
        ours.predictor.linear.weight, ours.predictor.linear_1.weight,
    )
    for layer, ours_layer in ((f.layers[0], ours.projector.linear),
                              (h.layers[0], ours.predictor.linear)):
        if layer.bias is None:  # batch norm behind it takes a constant away
            nn.init.zeros_(ours_layer.bias)
    if h.layers[3].bias is not None:
        h.layers[3].bias = ours.predictor.linear_1.bias
    return ours, nn.ModuleList([f, h])


def steps() -> Iterator[Step]:
    h_b, z_n, h_n, z_b = leaves((512, 128), n=4)
    cosine = NegativeCosineSimilarity()
    yield Step(
        "brave_loss 512x128 forward + backward", "lightly NegativeCosineSimilarity",
        ours=lambda: backward(brave.brave_loss(h_b, z_n, h_n, z_b), h_b, h_n),
        theirs=lambda: backward(
            1 + (cosine(h_b, z_n.detach()) + cosine(h_n, z_b.detach())) / 2, h_b, h_n
        ),
    )
    torch.manual_seed(0)
    ours, (project, predict) = twins()
    (f,) = leaves((128, 512))
    yield Step(
        "ProjectAndPredict 128x512, hidden 1024, forward + backward",
        "lightly ProjectionHead",
        ours=lambda: backward(ours(f)[1].square().sum(), f),
        theirs=lambda: backward(predict(project(f)).square().sum(), f),
    )
    (maps,) = leaves((4, 64, 16, 28, 28))
    weight = torch.randn(4, 64, 16, 28, 28)
    yield Step(
        "temporal_shift 4x64x16x28x28 forward + backward", "plain transcription",
        ours=lambda: backward((brave.temporal_shift(maps) * weight).sum(), maps),
        theirs=lambda: backward((shifted(maps) * weight).sum(), maps),
    )
