"""Vote demo: the paper's k-NN classifier on a gallery of pets, and how good it is."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from demos.drawing import bars, plots, strips
from demos.drawing.bars import Bar
from demos.drawing.plots import Axis
from demos.drawing.strips import Strip
from demos.intake import images
from demos.pieces import embedding, pets
from demos.scene import Numbers, Scene

SHOWN = 12       # voters in the picture
MINE = "_mine"   # behind a name: the submitted picture's vector
ASKED = (1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 60, 95)  # k in the plot


@torch.no_grad()
def show(scene: Scene) -> Numbers:
    """The vote on the picture, its voters, and the vote on the gallery's own."""
    seen = scene.stage("vectors", lambda: vectors(scene))
    scene.recorder.progress(1, 2, "Counting votes")
    k, temperature = int(scene.options["k"]), float(scene.options["temperature"])
    own = scene.loaded.card.name
    gallery = {n: torch.from_numpy(a) for n, a in seen.items() if not n.endswith(MINE)}
    known, mine = gallery[own], torch.from_numpy(seen[own + MINE])
    similarity, rows = scene.module.nearest(known, mine, k)          # (1, k) each
    order = similarity[0].argsort(descending=True)
    cosines, voters = similarity[0][order], rows[0][order]           # (k,)
    labels = torch.tensor(pets.LABELS)
    shares = scene.module.vote(
        cosines[None], labels[voters][None], temperature, len(pets.BREEDS), softmax=True
    )[0]                                                             # (C,)
    weights = (cosines / temperature).softmax(0)
    draw_vote(scene, shares, weights)
    draw_voters(scene, voters, cosines, weights)
    right = {
        name: [judged(scene, vectors, n, temperature) for n in ASKED]
        for name, vectors in gallery.items()
    }
    draw_judged(scene, right)
    scene.recorder.arrays(
        "vote", "Shares of the breeds; the voters' places in the gallery, cosines and "
        "weights; and the share of the gallery judged right at each k.",
        shares=shares.numpy(), voters=voters.numpy(), cosines=cosines.numpy(),
        weights=weights.numpy(), k=np.array(ASKED),
        **{name.replace(" ", "_"): np.array(found) for name, found in right.items()},
    )
    scene.recorder.progress(2, 2, "Done")
    return {
        "winner": pets.BREEDS[int(shares.argmax())],
        "share_of_the_winner": round(float(shares.max()), 3),
        "weight_of_the_nearest": round(float(weights[0]), 3),
        "gallery_judged_right": [
            f"{name}: {judged(scene, vectors, k, temperature):.3f}"
            for name, vectors in gallery.items()
        ],
        "by_guessing": round(1 / len(pets.BREEDS), 3),
    }


def vectors(scene: Scene) -> dict[str, np.ndarray]:
    """The expensive stage: the gallery's and the picture's directions, two ways."""
    scene.recorder.progress(0, 2, "Reading the gallery")
    mine = embedding.tensors([images.square(scene.picture, 2 * pets.SIDE).image])
    found, ways = {}, embedding.encoders(scene)
    for name, encode in ways.items():
        known = embedding.gallery(scene, name, encode)               # (96, D)
        asked = embedding.embedded(mine, encode, scene)              # (1, D)
        found[name] = embedding.directions(known, known).numpy()
        found[name + MINE] = embedding.directions(asked, known).numpy()
    return found


def judged(scene: Scene, known: Tensor, k: int, temperature: float) -> float:
    """Share of the gallery whose breed the vote of all others gets right.

    Each picture is its own nearest neighbour, so it is asked for k + 1 and taken out.
    """
    labels = torch.tensor(pets.LABELS)
    similarity, rows = scene.module.nearest(known, known, k + 1)     # (96, k + 1)
    itself = rows == torch.arange(len(known))[:, None]
    similarity = similarity.masked_fill(itself, -torch.inf)
    scores = scene.module.vote(
        similarity, labels[rows], temperature, len(pets.BREEDS), softmax=True
    )                                                                # (96, C)
    return float((scores.argmax(1) == labels).double().mean())


# Pictures


def draw_vote(scene: Scene, shares: Tensor, weights: Tensor) -> None:
    """Each breed's share of all votes."""
    lines = [
        Bar(None, breed, (float(share),))
        for breed, share in zip(pets.BREEDS, shares, strict=True)
    ]
    winner = pets.BREEDS[int(shares.argmax())]
    k, temperature = scene.options["k"], scene.options["temperature"]
    mine = images.square(scene.picture, 2 * pets.SIDE).image
    scene.recorder.picture(
        "vote", bars.headed([mine], bars.drawn(lines, ("share",), 1.0)),
        f"The {k} nearest of {len(pets.LABELS)} pets vote on your picture at "
        f"temperature {temperature:g}: {winner} gets {100 * shares.max():.0f} %. The "
        f"nearest one alone has {100 * weights[0]:.0f} % of the weight. The gallery "
        "knows three breeds and must choose one of them, even for a teapot. "
        f"{embedding.CENTRED} {pets.CREDIT}",
        "Bars: " + ", ".join(f"{bar.name} {bar.values[0]:.2f}" for bar in lines) + ".",
    )


def draw_voters(
    scene: Scene, voters: Tensor, cosines: Tensor, weights: Tensor
) -> None:
    """Who votes, the nearest first, with what weight."""
    shown = [int(n) for n in voters[:SHOWN]]
    words = [f"{100 * weight:.0f} %" for weight in weights[:SHOWN]]
    title = f"{len(shown)} of {len(voters)} voters and their weights"
    scene.recorder.picture(
        "voters", strips.drawn([Strip(title, shown, words)]),
        "The voters, the nearest first, each with its share of all weights; the "
        f"colour is the breed it votes for. Cosines from {cosines[0]:.2f} down to "
        f"{cosines[-1]:.2f} at the {len(voters)}th.",
        "Voters: " + ", ".join(
            f"{pets.breed(n)} {word}" for n, word in zip(shown, words, strict=True)
        ) + ".",
    )


def draw_judged(scene: Scene, right: dict[str, list[float]]) -> None:
    """How often the vote is right on the gallery itself, by k."""
    series = {
        name: [(float(k), 100 * v) for k, v in zip(ASKED, values, strict=True)]
        for name, values in right.items()
    }
    best = ", ".join(f"{100 * max(v):.0f} % with {name}" for name, v in right.items())
    scene.recorder.picture(
        "judged", plots.plot(series, Axis("neighbours (k)", log=True), Axis("% right")),
        "The test that the paper is about, in miniature: each of the "
        f"{len(pets.LABELS)} pets is judged by the votes of all others. Right at best: "
        f"{best}; guessing gives 33 %. With so few pictures a difference of ten "
        "points may be luck.",
        f"Curves of the share judged right over k; at best {best}.",
    )
