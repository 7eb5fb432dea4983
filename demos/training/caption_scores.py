"""What captions of held-out code are worth, beside captions that no decoder made."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from demos.pieces.vocabulary import END, words
from reference_impls import capdec

if TYPE_CHECKING:
    from demos.training.captions import CaptionLesson

COMMON = 60  # words that every sentence may have
Figures = dict[str, float]


def measured(lesson: CaptionLesson, prose: Tensor, code: Tensor) -> dict[str, Any]:
    """All figures. prose, code: (M, D), embeddings of the held-out pairs."""
    judge = Judge(lesson, prose)
    found: dict[str, Any] = {"pairs": gap(prose, code), "by_level": []}
    nearest = (code @ lesson.embeddings.T).argmax(1)
    draw = torch.Generator().manual_seed(0)
    others = torch.randperm(len(lesson.read), generator=draw)
    for name, chosen in (("nearest_sentence", nearest), ("any_sentence", others)):
        texts = [lesson.read[int(n)] for n in chosen[:len(code)]]
        found[name] = judge.of(texts)[0]
    clean = None
    for level, model in zip(lesson.levels, lesson.decoders, strict=True):
        from_code, won = judge.of(captions(lesson, model, code))
        clean = won if clean is None else clean
        found["by_level"].append({
            "level": level, "own_is_nearest": kept(lesson, model.variance),
            "from_code": {**from_code, **gain(won - clean)},
            "from_prose": judge.of(captions(lesson, model, prose))[0],
        })
    return found


def captions(lesson: CaptionLesson, model: capdec.CapDec, z: Tensor) -> list[str]:
    """What a decoder says of embeddings (M, D)."""
    longest = lesson.images.shape[1]
    tokens = capdec.generate(model.eval(), z, longest, END)
    return [lesson.vocabulary.sentence(row) for row in tokens.tolist()]


def gap(prose: Tensor, code: Tensor) -> Figures:
    """How far apart the two modalities are."""
    cosines = prose @ code.T                                          # (M, M)
    others = ~torch.eye(len(prose), dtype=torch.bool)
    own = cosines.diagonal()
    return {
        "number": len(prose),
        "centres_apart": rounded((prose.mean(0) - code.mean(0)).norm()),
        "cosine_of_pairs": rounded(own.mean()),
        "cosine_of_others": rounded(cosines[others].mean()),
        "own_code_nearer": rounded((own[:, None] > cosines)[others].float().mean()),
    }


def kept(lesson: CaptionLesson, variance: float) -> float:
    """How often a sentence with noise is still nearest to itself, among all read."""
    draw = torch.Generator().manual_seed(0)
    noisy = capdec.inject_noise(lesson.embeddings, variance, generator=draw)
    nearest = (noisy @ lesson.embeddings.T).argmax(1)                 # (N,)
    return rounded((nearest == torch.arange(len(nearest))).float().mean())


def gain(won: Tensor) -> Figures:
    """Over the decoder that learnt without noise, with its standard error."""
    return {
        "gain": rounded(won.mean()), "gain_error": rounded(won.std() / len(won) ** 0.5)
    }


class Judge:
    """Compares captions with the sentences that were held out."""

    def __init__(self, lesson: CaptionLesson, prose: Tensor):
        self.lesson, self.prose = lesson, prose
        self.truths = list(lesson.captions.values())
        self.known = {tuple(split(text)) for text in lesson.read}
        self.side_by_side = {pair for text in self.known for pair in pairwise(text)}

    def of(self, captions: Sequence[str]) -> tuple[Figures, Tensor]:
        """The figures; and of each the share of others' sentences that are further."""
        cosines = self.lesson.embed(captions) @ self.prose.T          # (M, M)
        own, others = cosines.diagonal(), ~torch.eye(len(cosines), dtype=torch.bool)
        won = (own[:, None] > cosines)[others].view(len(cosines), -1).float().mean(1)
        said = [tuple(split(text)) for text in captions]
        seams = [pair in self.side_by_side for text in said for pair in pairwise(text)]
        pairs = zip(captions, self.truths, strict=True)
        return {
            "cosine": rounded(own.mean()), "nearer": rounded(won.mean()),
            "overlap": rounded(sum(self.overlap(*pair) for pair in pairs) / len(said)),
            "familiar": rounded(sum(seams) / max(1, len(seams))),
            "verbatim": rounded(sum(text in self.known for text in said) / len(said)),
            "distinct": rounded(len(set(said)) / len(said)),
        }, won

    def overlap(self, one: str, other: str) -> float:
        """Words in common, of both (Dice), without marks and the commonest words."""
        number = self.lesson.vocabulary.number
        left, right = (
            {w for w in split(text) if w.isalpha() and number.get(w, COMMON) >= COMMON}
            for text in (one, other)
        )
        return 2 * len(left & right) / max(1, len(left) + len(right))


def split(text: str) -> list[str]:
    """Words and marks, small letters alone."""
    return [word.lower() for word in words(text)]


def rounded(value: Tensor | float) -> float:
    """Three digits after the point."""
    return round(float(value), 3)
