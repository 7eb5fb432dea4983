"""CapDec on what this library has: prose in place of captions, code for pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from demos.drawing import clouds
from demos.drawing.clouds import Cloud
from demos.drawing.curves import SERIES
from demos.drawing.pages import Paragraph, page
from demos.drawing.pictures import QUIET
from demos.drawing.plots import Axis, plot
from demos.pieces import prose_figures
from demos.pieces.prose import NAME, Caption, Prose, bundled, named
from demos.scene import Card, Numbers, Scene

DRAWS = 150      # of the noise, around the chosen sentence
CODE_LINES = 9   # of the passage that are shown
BINS = 25        # of a curve of cosines

WEIGHTS = Card(
    NAME, "made by this project: python -m demos.train", True,
    "Tiny decoders that have read this library's plain sentences and nothing else. "
    "In place of CLIP stand word vectors of the PyPI package wordllama.",
)


def show(scene: Scene) -> Numbers:
    """Caption one passage with every decoder, and show how far noise reaches."""
    recorder, name = scene.recorder, str(scene.options["passage"])
    recorder.progress(0, 4, "Reading the decoders")
    prose = bundled(scene.module, scene.device)
    place = prose.place(name)
    rows = torch.stack([prose.code[place], prose.prose[place]])
    said = {}
    for level in prose.decoders:
        recorder.alive()
        said[level] = prose.said(scene.module, level, rows)
    draw_captions(scene, prose, place, said)
    recorder.progress(1, 4, "Captions")
    noisy = moved(scene, prose)
    draw_gap(scene, prose, place, noisy[place])
    recorder.progress(2, 4, "The gap between prose and code")
    draw_reach(scene, prose, noisy)
    recorder.progress(3, 4, "How far noise reaches")
    prose_figures.draw(scene.recorder, prose)
    recorder.progress(4, 4, "Done")
    recorder.arrays(
        "embeddings", "Unit embeddings of the held-out sentences and of their code, "
        "row by row one pair, and of the chosen sentence with noise (draw, 256).",
        prose=prose.prose.cpu().numpy(), code=prose.code.cpu().numpy(),
        noisy=noisy[place].cpu().numpy(),
    )
    return numbers(prose, place, said)


def moved(scene: Scene, prose: Prose) -> Tensor:
    """Every sentence with noise, as in training, (M, DRAWS, D)."""
    level, M = float(scene.options["noise"]), len(prose.prose)
    draw = torch.Generator().manual_seed(int(scene.options["seed"]))
    rows = prose.prose.repeat_interleave(DRAWS, dim=0)
    noisy = scene.module.inject_noise(rows, prose.variance(level), generator=draw)
    return noisy.view(M, DRAWS, -1)


# What is said


def draw_captions(
    scene: Scene, prose: Prose, place: int, said: dict[float, list[Caption]]
) -> None:
    """Code, the library's sentence on it, and captions of the one and of the other."""
    passage = prose.card["passages"][place]
    sentence, code = passage["sentence"], passage["code"].splitlines()
    shown = code[:CODE_LINES] + ["…"] * (len(code) > CODE_LINES)
    head = [
        Paragraph(passage["name"], size=30),
        Paragraph("\n".join(shown), QUIET, size=20, above=10, wraps=False),
        Paragraph("What the library says of it", SERIES[0], above=20),
        Paragraph(sentence),
        Paragraph("What decoders say of the code", SERIES[1], above=20),
    ]
    lines, told = spoken(said, row=0)
    scene.recorder.picture(
        "captions", page([*head, *lines]),
        "What decoders say that learnt with no noise and with more and more of it. All "
        f"have read {prose.card['sentences']} sentences of this library, but of this "
        f"function neither the code nor “{sentence}” {told} None of them understands "
        "code: what they say is copied and blended from what they have read.",
        f"The code of {passage['name']}; the library says: {sentence} {told}",
    )
    lines, told = spoken(said, row=1)
    head = [Paragraph("What they say of the sentence", SERIES[0])]
    scene.recorder.picture(
        "read_back", page([*head, *lines]),
        f"The same decoders, given the embedding of “{sentence}” as in training, "
        f"though they have never read it: {told} They have learnt to read from where "
        "sentences lie, and code lies elsewhere: see the next picture.",
        f"Given the sentence: {told}",
    )


def spoken(
    said: dict[float, list[Caption]], row: int
) -> tuple[list[Paragraph], str]:
    """The captions of one embedding, for a picture and in words."""
    lines, told = [], []
    for level, captions in said.items():
        again = ", read word for word" if captions[row].verbatim else ""
        lines.append(Paragraph(named(level) + again, QUIET, size=21, above=8))
        lines.append(Paragraph(captions[row].text, above=0))
        told.append(f"{named(level)}{again}: “{captions[row].text}”")
    return lines, " ".join(told)


# How far apart prose and code are


def draw_gap(scene: Scene, prose: Prose, place: int, noisy: Tensor) -> None:
    """Both modalities in their two main directions, pairs joined."""
    both = torch.cat([prose.prose, prose.code])                       # (2M, D)
    centre = both.mean(0)
    _, sizes, directions = torch.linalg.svd(both - centre, full_matrices=False)
    share = float(sizes[:2].square().sum() / sizes.square().sum())

    def flat(z: Tensor) -> np.ndarray:
        return ((z - centre) @ directions[:2].T).cpu().numpy()        # (N, 2)

    cloud = Cloud("noise on one sentence", flat(noisy), 2.5)
    pair = Cloud("sentences", flat(prose.prose)), Cloud("code", flat(prose.code))
    pairs = prose.card["figures"]["pairs"]
    level = float(scene.options["noise"])
    scene.recorder.picture(
        "gap", clouds.drawn([*pair, cloud], pair, place),
        f"The modality gap: {pairs['number']} sentences and the functions that they "
        "are about, in the two main directions of their embeddings (PCA, "
        f"{share:.0%} of all that varies). A line joins a pair; rings mark the chosen "
        "one. Sentences lie on one side and code on the other, their centres "
        f"{pairs['centres_apart']:.2f} apart on a sphere of radius 1. The small dots "
        f"are where {named(level)} puts the chosen sentence. Most of that noise lies "
        "in directions that this picture leaves out: to those the sentence gives up "
        "length, and comes nearer to the middle here.",
        f"Two clouds of points, sentences and code, {pairs['centres_apart']:.2f} "
        f"apart, with lines between pairs, and {DRAWS} noisy copies of one sentence.",
    )


def draw_reach(scene: Scene, prose: Prose, noisy: Tensor) -> None:
    """Cosines of sentences with their noisy selves, their own and others' code."""
    cosines = prose.prose @ prose.code.T                              # (M, M)
    others = ~torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
    level = float(scene.options["noise"])
    found = {
        "itself with noise": (noisy @ prose.prose[:, :, None]).flatten(),
        "its own code": cosines.diagonal(),
        "other code": cosines[others],
    }
    means = ", ".join(f"{name} {float(v.mean()):.2f}" for name, v in found.items())
    series = {name: curve(values.cpu().numpy()) for name, values in found.items()}
    scene.recorder.picture(
        "reach",
        plot(series, Axis("cosine with the sentence"), Axis("share of cases, %")),
        f"How far noise reaches: cosines of a sentence with {named(level)} on itself, "
        f"with its own code, and with other code (means: {means}). Where the first "
        "curve covers the second, training has shown decoders embeddings that are as "
        "far off as code is. Epsilon, "
        f"{prose.card['epsilon']:.2f} in each of {prose.code.shape[1]} coordinates, "
        "was measured as in the paper, between sentences about one function.",
        f"Three curves of cosines with a sentence; means: {means}.",
    )


def curve(values: np.ndarray) -> list[tuple[float, float]]:
    """Percent of the values around each cosine."""
    counts, edges = np.histogram(values, BINS, (-0.25, 1.0))
    shares = 100 * counts / len(values)
    middles = (edges[1:] + edges[:-1]) / 2
    return [(float(x), float(y)) for x, y in zip(middles, shares, strict=True)]


def numbers(prose: Prose, place: int, said: dict[float, list[Caption]]) -> Numbers:
    """The pair, its captions, and the figures of all."""
    rows = prose.card["figures"]["by_level"]
    decoder = next(iter(prose.decoders.values()))
    own = float(prose.prose[place] @ prose.code[place])
    return {
        "epsilon": round(float(prose.card["epsilon"]), 4),
        "sentences_read": int(prose.card["sentences"]),
        "weights_of_a_decoder": sum(p.numel() for p in decoder.parameters()),
        "cosine_of_code_and_sentence": round(own, 3),
        "noise_in_training": list(said),
        "captions_of_code": [captions[0].text for captions in said.values()],
        "fits": [row["from_code"]["nearer"] for row in rows],
        "read_before": [row["from_code"]["verbatim"] for row in rows],
    }
