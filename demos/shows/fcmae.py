"""FCMAE demo: which visible sites of a convnet depend on what was hidden.

The picture goes in twice, with different things in its hidden patches. Where an answer
at a visible site differs, the hidden patches left a trace. That is a matter of the
architecture, so random weights show it as well as trained ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from demos.drawing import boards, pictures
from demos.intake import images
from demos.pieces.hiding import HIDDEN, drawn_noise, on_pixels
from demos.results import Recorder
from demos.scene import Card, Numbers, Scene
from reference_impls.simclr import normalize

SIDE = 224
TRACE = 1e-5  # of the strongest answer: below it there is only rounding
KEPT, TOUCHED = (0.13, 0.55, 0.42), (0.97, 0.63, 0.24)
ORDINARY, MASKED = "ordinary", "masked"

WEIGHTS = Card(
    "random weights, on purpose", "drawn from the seed", True,
    "Which sites can reach which does not depend on what was learnt.",
)


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """Mark the visible sites that hidden patches reach, block by block."""
    seed, recorder = int(scene.options["seed"]), scene.recorder
    model = built(scene, seed)
    fitted = images.square(scene.picture, SIDE)
    truth = torch.from_numpy(images.to_array(fitted.image))[None].to(scene.device)
    recorder.progress(0, 2, "Encoding as ordinary convolutions do")
    noise = drawn_noise(model.grid**2, seed).to(scene.device)
    _, mask = model.forward_encoder(truth, noise, float(scene.options["ratio"]))
    hidden = mask.view(1, 1, model.grid, model.grid)
    filled = torch.where(up(hidden, SIDE) > 0, 1 - truth, truth)     # (1, 3, S, S)
    both = normalize(torch.cat([truth, filled]))
    traces = {ORDINARY: list(reached(scene, model.encoder, both, None))}
    recorder.progress(1, 2, "Encoding visible sites alone")
    visible = (1 - hidden).expand(2, -1, -1, -1)
    traces[MASKED] = list(reached(scene, model.encoder, both, visible))
    gaps = hidden[0, 0].bool().cpu().numpy()                         # (rows, columns)
    draw(recorder, truth[0].cpu().numpy(), gaps, traces)
    recorder.arrays(
        "traces", "True where a hidden patch leaves a trace, block by block, for "
        "ordinary convolutions and for masked ones; `hidden` are the patches.",
        hidden=gaps, **{f"{k}_{n}": one for k, v in traces.items()
                        for n, one in enumerate(v)},
    )
    recorder.progress(2, 2, "Done")
    shares = {k: [share(one, gaps) for one in v] for k, v in traces.items()}
    return {
        "hidden_patches": int(gaps.sum()), "patches": gaps.size,
        "ordinary_touched_share": shares[ORDINARY],
        "masked_touched_share": shares[MASKED],
    }


def built(scene: Scene, seed: int) -> Any:
    """The smallest published model with random weights; GRN speaks where asked to."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = scene.module.build(scene.module.ATTO).to(scene.device).eval()
    for part in model.modules():
        if isinstance(part, scene.module.GRN):
            part.gamma.fill_(float(scene.options["grn"]))
    return model


def up(sites: Tensor, side: int) -> Tensor:
    """(B, 1, h, w) repeated to side × side."""
    return nn.functional.interpolate(sites, size=(side, side))


def reached(
    scene: Scene, encoder: nn.Module, both: Tensor, visible: Tensor | None
) -> Iterator[np.ndarray]:
    """After each block, where the two pictures' answers differ: (rows, columns)."""
    answers: list[Tensor] = []
    with heard(encoder, scene.module.ConvNeXtV2Block, answers):
        scene.recorder.alive()
        encoder.encode(both, visible)
    for one, other in answers:
        scene.recorder.alive()
        apart = (one - other).norm(dim=0)                            # (rows, columns)
        yield (apart > TRACE * one.norm(dim=0).max()).cpu().numpy()


@contextmanager
def heard(
    encoder: nn.Module, kind: type[nn.Module], answers: list[Tensor]
) -> Iterator[None]:
    """Keep what every part of a kind answers."""
    blocks = (part for part in encoder.modules() if isinstance(part, kind))
    handles = [
        part.register_forward_hook(lambda module, given, out: answers.append(out))
        for part in blocks
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def share(traces: np.ndarray, hidden: np.ndarray) -> float:
    """Share of the visible sites with a trace."""
    return round(float(traces[~on_pixels(hidden, len(traces))].mean()), 4)


# Pictures


def draw(
    recorder: Recorder, truth: np.ndarray, hidden: np.ndarray,
    traces: dict[str, list[np.ndarray]],
) -> None:
    """The picture with its gaps, three depths of one encoder, two of the other."""
    last = len(traces[MASKED]) - 1
    chosen = [(ORDINARY, n) for n in (0, 1, last)] + [(MASKED, n) for n in (0, last)]
    grey = np.array(HIDDEN)[:, None, None]
    first = images.from_array(np.where(on_pixels(hidden, SIDE), grey, truth))
    tiles, labels, said = [first], ["what is visible\nrandom weights"], []
    for kind, n in chosen:
        touched = share(traces[kind][n], hidden)
        tiles.append(marked(traces[kind][n], hidden))
        labels.append(f"{kind}, {blocks(n)}\n{100 * touched:.0f} % touched")
        said.append(f"{kind} after {blocks(n)} {100 * touched:.0f} %")
    recorder.picture(
        "traces", boards.board(tiles, labels, 3),
        "Which visible sites depend on what was hidden: orange do, green do not, grey "
        "is hidden. Ordinary convolutions look across the edge, three sites further "
        "with each block, and still further after each halving of the map. The paper's "
        "encoder, masked after every layer, never lets a trace through, as if the "
        f"hidden sites did not exist. Visible sites touched: {', '.join(said)}. Random "
        "weights: this says who can reach whom, not how strongly.",
        "The picture with gaps, and five maps of sites. Visible sites that depend on "
        f"hidden ones: {', '.join(said)}.",
    )


def blocks(n: int) -> str:
    """So many blocks, counted from 0, in words."""
    return f"{n + 1} block{'s' * (n > 0)}"


def marked(traces: np.ndarray, hidden: np.ndarray) -> Image.Image:
    """Sites as squares: hidden, touched or untouched."""
    gaps = on_pixels(hidden, len(traces))
    colours = np.array([KEPT, TOUCHED, HIDDEN])
    kinds = np.where(gaps, 2, traces.astype(int))                    # (rows, columns)
    sites = images.from_array(colours[kinds].transpose(2, 0, 1))
    return pictures.crisp(sites, SIDE // len(traces))
