"""A small MoCo that learns on the gallery, and what its queue holds at each step.

The encoder below is frozen and reads each view once; queue, momentum, logits and loss
are the paper's own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demos import fingerprint
from demos.listening import listening
from demos.pieces import embedding, pets
from demos.scene import Scene
from reference_impls.moco import MoCo

BATCH, ROWS, WIDTH = 8, 8, 32      # the queue holds ROWS batches
LEARNING_RATE, TEMPERATURE = 0.003, 0.2
EMPTY = -1                         # of a place that still holds its random key


class Head(nn.Module):
    """One linear map, under the name by which MoCo finds the last layer."""

    def __init__(self, width: int, dim: int):
        super().__init__()
        self.fc = nn.Linear(width, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width), the encoder's vectors, to (B, dim)."""
        return self.fc(x)


@dataclass
class Queue:
    """Where the keys are from: the queue itself is the model's."""

    model: MoCo
    holds: np.ndarray  # (K,): the gallery's picture in each place, or EMPTY
    born: np.ndarray   # (K,): the step it came in, or EMPTY

    def note(self, batch: Tensor, step: int) -> None:
        """What the paper's function is about to put in, and where."""
        places = (int(self.model.queue_ptr) + np.arange(len(batch))) % len(self.holds)
        self.holds[places], self.born[places] = batch.numpy(), step

    def lag(self) -> float:
        """How far the key encoder is behind, in lengths of the query encoder."""
        slow, fast = (
            torch.cat([p.detach().flatten() for p in one.parameters()])
            for one in (self.model.encoder_k, self.model.encoder_q)
        )
        return float((slow - fast).norm() / fast.norm())

    @torch.no_grad()
    def agreement(self, second: Tensor) -> np.ndarray:
        """Each stored key's cosine with the key it would get today; NaN if random.

        second: (96, D), what the key encoder reads.
        """
        today = F.normalize(self.model.encoder_k(second[self.holds]), dim=1)
        cosines = (self.model.queue.T * today).sum(1)            # (K,)
        return np.where(self.holds == EMPTY, np.nan, cosines.numpy())


def views_of_gallery(scene: Scene) -> Tensor:
    """The encoder's vectors of two views of each picture, (2, 96, D).

    Read once for all submitted pictures.
    """
    code = fingerprint.code_version(scene.paper, scene.spec.name)
    question = ["pets in pairs", code, fingerprint.weights_hash(scene.paper)]

    def work() -> dict[str, np.ndarray]:
        batch = embedding.tensors(pets.pictures())
        return {"vectors": read_views(scene, batch, 0)[1].numpy()}

    return torch.from_numpy(scene.stages.recall(question, work)["vectors"])


@torch.no_grad()
def read_views(scene: Scene, batch: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """The paper's two views of (B, 3, S, S), (2, B, 3, S, S), and (2, B, D) of them."""
    made = scene.module.views(batch, torch.Generator().manual_seed(seed))
    views = torch.stack([embedding.as_pixels(view) for view in made])
    encode = embedding.encoder(scene.loaded, scene.device)
    with listening(scene.loaded.model, scene.recorder.alive):
        read = [embedding.embedded(view, encode, scene) for view in views]
    return views, torch.stack(read)


def start(scene: Scene, width: int) -> Queue:
    """The paper's MoCo around one map, its queue still random."""
    size, momentum = BATCH * ROWS, float(scene.options["momentum"])
    model = scene.module.MoCo(
        lambda dim: Head(width, dim), WIDTH, size, momentum, TEMPERATURE
    )
    return Queue(model, np.full(size, EMPTY), np.full(size, EMPTY))


def train(
    scene: Scene,
    queue: Queue,
    known: Tensor,
    steps: int,
    look: Callable[[int, float], None],
) -> dict[str, np.ndarray]:
    """The paper's `training_step` so many times; `look` is told of each and its loss.

    known: (2, 96, D). The gallery comes round in one order, longer than the queue: no
    picture meets its own old key.
    """
    model, history, lags = queue.model, [], []
    optimiser = torch.optim.Adam(model.encoder_q.parameters(), lr=LEARNING_RATE)
    order = torch.randperm(known.shape[1]).repeat(1 + steps * BATCH // known.shape[1])
    for step in range(steps):
        batch = order[step * BATCH : (step + 1) * BATCH]         # (B,)
        queue.note(batch, step)
        pair = (known[0, batch], known[1, batch])
        loss, _ = scene.module.training_step(model, pair, step, steps)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(queue.born[::BATCH].copy())
        lags.append(queue.lag())
        look(step, loss.item())
    return {"history": np.array(history).reshape(-1, ROWS), "lag": np.array(lags)}


@torch.no_grad()
def question(model: MoCo, probe: Tensor) -> dict[str, np.ndarray]:
    """What a further picture asks the queue, which stays as it is.

    probe: (2, 1, D). The cosines are the logits of `MoCo.forward`, the own key first.
    """
    model = copy.deepcopy(model)
    queue = model.queue.T.clone()                                # (K, WIDTH)
    logits, _ = model(probe[0], probe[1])                        # (1, 1 + K)
    query = F.normalize(model.encoder_q(probe[0]), dim=1)        # (1, WIDTH)
    return {
        "query": query.numpy(), "key": model.keys(probe[1]).numpy(),
        "queue": queue.numpy(), "cosines": (logits[0] * model.T).numpy(),
    }
