"""SimSiam's collapse lab: stop-gradient, predictor, batch norm, decay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from demos.pieces import collapse
from demos.pieces.collapse import Lab, Trial
from demos.scene import Numbers, Scene

WEIGHTS = collapse.WEIGHTS
# The paper's optimiser: Adam's even steps hide what the stopped gradient does.
LEARNING_RATE, MOMENTUM, DECAY = 0.05, 0.9, 1e-4


def show(scene: Scene) -> Numbers:
    """Train SimSiam with and without the chosen parts."""
    simsiam = scene.module

    def make(way: Mapping) -> Trial:
        config = replace(simsiam.TINY, **collapse.SMALL, dim=64, pred_dim=16)
        model = simsiam.build(config)
        if not way["predictor"]:
            model.predictor = nn.Identity()
        if not way["batch_norm"]:
            collapse.without_batch_norm(model)

        def loss(views: Sequence[Tensor], step: int, steps: int) -> tuple[Tensor, dict]:
            stopped = bool(way["stop_gradient"])
            return simsiam.simsiam_loss(*model(*views), stop_gradient=stopped), {}

        learnt = [p for p in model.parameters() if p.requires_grad]
        decay = DECAY if way["weight_decay"] else 0.0
        update = torch.optim.SGD(learnt, LEARNING_RATE, MOMENTUM, weight_decay=decay)
        return Trial(model, update, loss, model.encoder)

    lab = Lab(make, simsiam.views, collapse.by_spread, collapse.AXES)
    return collapse.run(scene, lab)
