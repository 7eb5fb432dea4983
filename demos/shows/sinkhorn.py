"""Sinkhorn demo: crops shared out among prototypes, turn by turn, by the paper's code.

The prototypes are six pictures of the gallery, so that one can see what they are; in
training they are learnt.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from demos.drawing import bars, matrices, plots
from demos.drawing.bars import Bar
from demos.drawing.matrices import Matrix
from demos.drawing.pictures import sheet
from demos.drawing.plots import Axis
from demos.intake import images
from demos.listening import listening
from demos.pieces import embedding, pets
from demos.scene import Numbers, Scene
from reference_impls import swav

CROPS, PROTOTYPES, TURNS = 12, 6, 10
BESIDE = (0, 1, 3, 10)  # turns shown next to each other
EACH = CROPS / PROTOTYPES


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """The chosen turn large, the prototypes' shares, and all turns."""
    seen = scene.stage("crops", lambda: crops(scene))
    scene.recorder.progress(1, 2, "Sharing out")
    scores, epsilon = torch.from_numpy(seen["scores"]), float(scene.options["epsilon"])
    codes = np.stack([
        assigned(scene, scores, epsilon, turn).numpy() for turn in range(TURNS + 1)
    ])                                                           # (TURNS + 1, M, K)
    rows = embedding.thumbnails(torch.from_numpy(seen["views"]))
    columns = [pets.pictures()[n] for n in seen["chosen"]]
    turn = int(scene.options["iterations"])
    draw_chosen(scene, codes, turn, (rows, columns))
    draw_loads(scene, codes, turn, columns)
    draw_turns(scene, codes, (rows, columns))
    draw_evening(scene, codes)
    scene.recorder.arrays(
        "codes", "Cosines (crops, prototypes), and the codes after each turn, "
        "(turns, crops, prototypes); turn 0 is the softmax of each row.",
        scores=seen["scores"], codes=codes,
    )
    scene.recorder.progress(2, 2, "Done")
    return measure(codes, turn)


def crops(scene: Scene) -> dict[str, np.ndarray]:
    """The expensive stage: crops of the picture, prototypes, and their cosines."""
    scene.recorder.progress(0, 2, "Cutting and reading the crops")
    seed, loaded = int(scene.options["seed"]), scene.loaded
    each = np.random.default_rng(seed).permuted(
        np.arange(len(pets.LABELS)).reshape(len(pets.BREEDS), -1), axis=1
    )
    chosen = each[:, : PROTOTYPES // len(pets.BREEDS)].ravel()
    mine = embedding.tensors([images.square(scene.picture, 2 * pets.SIDE).image])
    generator = torch.Generator().manual_seed(seed)
    batch = mine.expand(CROPS // 2, -1, -1, -1)
    views = embedding.as_pixels(torch.cat(swav.views(batch, generator, n_local=0)))
    encode = embedding.encoder(loaded, scene.device)
    with listening(loaded.model, scene.recorder.alive):
        known = embedding.gallery(scene, "encoder", encode)      # (96, D)
        vectors = embedding.embedded(views, encode, scene)       # (M, D)
    prototypes = embedding.directions(known[chosen], known)      # (K, D)
    scores = embedding.directions(vectors, known) @ prototypes.T  # (M, K)
    return {"views": views.numpy(), "chosen": chosen, "scores": scores.numpy()}


def assigned(scene: Scene, scores: Tensor, epsilon: float, turns: int) -> Tensor:
    """Codes (M, K) after so many turns; without any, each row's own softmax."""
    if not turns:
        return (scores / epsilon).softmax(1)
    return scene.module.sinkhorn_knopp(scores, epsilon, turns)


def measure(codes: np.ndarray, turn: int) -> Numbers:
    """How the crops are shared out before and after."""
    return {
        "turns": turn,
        "column_sums_before": [round(float(v), 2) for v in codes[0].sum(0)],
        "column_sums": [round(float(v), 3) for v in codes[turn].sum(0)],
        "even_share": EACH,
        "largest_row_error": float(f"{np.abs(codes[turn].sum(1) - 1).max():.1e}"),
        "prototypes_in_use_before": in_use(codes[0]),
        "prototypes_in_use": in_use(codes[turn]),
    }


def in_use(codes: np.ndarray) -> int:
    """Prototypes that hold at least half of their even share."""
    return int((codes.sum(0) >= EACH / 2).sum())


# Pictures

Sides = tuple[list[Image.Image], list[Image.Image]]


def draw_chosen(scene: Scene, codes: np.ndarray, turn: int, sides: Sides) -> None:
    """The assignments after the chosen number of turns."""
    sums = codes[turn].sum(0)
    shown = Matrix(
        codes[turn], *sides, heading="row sum", across="prototypes", down="crops",
        beside=[f"{value:.2f}" for value in codes[turn].sum(1)],
    )
    scene.recorder.picture(
        "codes", matrices.drawn(shown),
        f"Which share of each crop of your picture (rows) goes to which prototype "
        f"(columns), {after(turn)}. Rows sum to 1; the columns now sum to "
        f"{', '.join(f'{v:.2f}' for v in sums)}; even would be {EACH:g} each. The "
        f"prototypes are gallery pictures, not learnt ones. {pets.CREDIT}",
        f"Matrix of {CROPS} crops by {PROTOTYPES} prototypes, {after(turn)}; "
        f"{in_use(codes[turn])} prototypes are in use.",
    )


def draw_loads(
    scene: Scene, codes: np.ndarray, turn: int, columns: list[Image.Image]
) -> None:
    """What each prototype holds, alone and after the turns."""
    before, now = codes[0].sum(0), codes[turn].sum(0)
    lines = [
        Bar(picture, f"prototype {n + 1}", (float(before[n]), float(now[n])))
        for n, picture in enumerate(columns)
    ]
    top = float(max(before.max(), now.max(), EACH))
    scene.recorder.picture(
        "loads", bars.drawn(lines, ("softmax alone", after(turn)), top),
        "How many of the twelve crops each prototype holds. Each crop for itself: "
        f"{in_use(codes[0])} of {PROTOTYPES} hold half of their even share or more, "
        "and a network could be content with one for everything. "
        f"{after(turn).capitalize()}: {in_use(codes[turn])}. With crops of a single "
        "picture this even sharing is forced; it makes sense over a large batch of "
        "different pictures.",
        f"Bars: column sums before {', '.join(f'{v:.1f}' for v in before)} and "
        f"{after(turn)} {', '.join(f'{v:.1f}' for v in now)}.",
    )


def draw_turns(scene: Scene, codes: np.ndarray, sides: Sides) -> None:
    """Some turns side by side."""
    shown = [
        matrices.drawn(Matrix(codes[turn], *sides), cell=40, numbers=False)
        for turn in BESIDE
    ]
    labels = [f"turn {turn}" for turn in BESIDE]
    scene.recorder.picture(
        "turns", sheet(shown, labels, columns=2),
        "The same table after 0, 1, 3 and 10 turns: what was crowded in one column "
        "moves to where there is room, and each crop goes where it fits next best.",
        "Four matrices; the bright cells spread over all columns.",
    )


def draw_evening(scene: Scene, codes: np.ndarray) -> None:
    """How far the fullest and the emptiest column are from even, by turn."""
    sums = codes.sum(1)                                          # (TURNS + 1, K)
    series = {
        "fullest column": list(enumerate(sums.max(1).tolist())),
        "emptiest column": list(enumerate(sums.min(1).tolist())),
    }
    scene.recorder.picture(
        "evening", plots.plot(series, Axis("turns"), Axis("crops per prototype")),
        f"The fullest and the emptiest prototype after each turn; both go to {EACH:g}.",
        f"Two curves that meet at {EACH:g}: from {sums[0].max():.1f} and "
        f"{sums[0].min():.1f} to {sums[-1].max():.2f} and {sums[-1].min():.2f}.",
    )


def after(turn: int) -> str:
    """The turn in words."""
    return "without any turn" if not turn else f"after {turn} turn{'s' * (turn > 1)}"
