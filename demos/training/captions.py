"""Decoders that learn to read the library's sentences back from their embeddings.

CapDec without images: prose takes the part of captions, code that of pictures. One
decoder learns to read and is then copied, in place of the paper's pretrained GPT-2;
from there each copy learns with another strength of noise, all from the same sentences
in the same order, by `reference_impls.capdec`. None ever sees code. Some functions are
held out with all that is said of them, to be captioned at the end.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from demos import fingerprint
from demos.pieces.vocabulary import END, PAD, Vocabulary
from demos.training import caption_scores, sentences
from demos.training.embedder import Embedder
from demos.training.sentences import Place
from reference_impls import capdec

LEVELS = (0.0, 0.25, 0.5, 1.0)  # of the noise in training, times epsilon
ALONE = 0.3       # of the budget, for the one that learns to read
HELD_OUT = 3      # of the functions with a sentence, every so many-th
LEAST_CODE = 15   # words of a function that says enough of itself
LEAST = 2         # times that a word occurs, to be known
SPREAD = 0.05     # of the word table at the start
SIZE: dict[str, Any] = {
    "kind": "mlp", "prefix_length": 4, "clip_length": 4, "mapper_layers": 2,
    "width": 96, "depth": 2, "heads": 4,
}

Batch = tuple[Tensor, Tensor]


def held_out(place: Place) -> bool:
    """Whether a function is kept for the end: by its name, so that it stays so."""
    return zlib.crc32("/".join(place).encode()) % HELD_OUT == 0


class Learner(nn.Module):
    """All decoders side by side; none knows of the others once they are copied."""

    def __init__(self, decoders: Sequence[capdec.CapDec]):
        super().__init__()
        self.all, self.decoders = decoders, nn.ModuleList(decoders)
        self.register_buffer("copied", torch.tensor(False))

    def forward(self, batch: Batch, step: int, steps: int) -> Tensor:
        """The mean of the losses of those that learn, for embeddings and tokens."""
        learning = self.all if self.copied else self.all[:1]
        losses = [capdec.training_step(one, batch, step, steps)[0] for one in learning]
        return torch.stack(losses).mean()

    def copy(self) -> None:
        """Give all decoders what the first one has learnt."""
        for one in self.all[1:]:
            one.load_state_dict(self.all[0].state_dict())
        self.copied.fill_(True)


class CaptionLesson:
    """The library's sentences, as they are when this is made.

    images: numbers of the words of each, (N, T): what a course draws from. data: which
    sentences they were, so that a training does not go on with others.
    """

    lr, weight_decay, batch = 3e-3, 0.05, 32
    unit = "sentences"

    def __init__(self, wheel: Path | None):
        self.embed = Embedder(wheel)
        code, said = sentences.functions(), sentences.everything()
        telling = {
            place: text for place, text in code.items()
            if len(sentences.spoken(text).split()) >= LEAST_CODE
        }
        tests = {p for one in said for p in one.about & telling.keys() if held_out(p)}
        read = [one for one in said if not one.about & tests]
        self.read = [one.text for one in read]
        told = fingerprint.digest(text.encode() for text in self.read)[:12]
        self.data = [f"{len(read)} sentences, {told}"]
        firsts = {
            next(one.text for one in said if place in one.about): place
            for place in sorted(tests)
        }
        self.captions = {place: text for text, place in firsts.items()}  # no text twice
        self.code = {place: code[place] for place in self.captions}
        self.vocabulary = Vocabulary.of(self.read, LEAST)
        self.embeddings = self.embed(self.read)                       # (N, D)
        self.images = padded([self.vocabulary.numbers(text) for text in self.read])
        self.epsilon = self.estimated(read)
        self.config = self.sized()
        self.levels = LEVELS
        self.decoders = [self.untrained(level) for level in LEVELS]
        self.learner = Learner(self.decoders)

    def estimated(self, read: Sequence[sentences.Said]) -> float:
        """The paper's epsilon, between sentences about one function."""
        about: dict[Place, list[str]] = {}
        for one in read:
            for place in one.about:
                about.setdefault(place, []).append(one.text)
        pairs = [pair for texts in about.values() for pair in combinations(texts, 2)]
        self.pairs = len(pairs)
        sides = [self.embed(texts) for texts in zip(*pairs, strict=True)]
        return float(capdec.estimate_epsilon(*sides))

    def widest(self) -> float:
        """Along the direction in which sentences differ most: their deviation."""
        spread = self.embeddings - self.embeddings.mean(0)
        return float(torch.linalg.svdvals(spread)[0]) / len(spread) ** 0.5

    def sized(self) -> capdec.Config:
        """CapDec as small as this library."""
        return replace(
            capdec.TINY, **SIZE, clip_dim=self.embeddings.shape[1], pad_id=PAD,
            vocab=len(self.vocabulary), batch=self.batch, lr=self.lr,
            max_length=SIZE["prefix_length"] + self.images.shape[1],
        )

    def untrained(self, level: float) -> capdec.CapDec:
        """A decoder whose words start near their like: from the embedding's vectors."""
        config = replace(self.config, variance=(level * self.epsilon) ** 2)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = capdec.build(config)
        vectors = self.embed(self.vocabulary.written)
        vectors = vectors - vectors.mean(0)
        directions = torch.linalg.svd(vectors, full_matrices=False).Vh[:config.width]
        table = vectors @ directions.T                                # (V, E)
        model.decoder.wte.weight.data.copy_(SPREAD * table / table.std())
        return model

    def views(self, index: Tensor, generator: torch.Generator) -> Batch:
        """Sentences with their embeddings, cut where the longest ends."""
        tokens = self.images[index]
        longest = int((tokens == END).int().argmax(1).max()) + 1
        return self.embeddings.to(tokens.device)[index], tokens[:, :longest]

    def after_step(self, step: int, steps: int) -> None:
        """At the end of its time alone the first decoder is copied."""
        if step >= ALONE * steps and not self.learner.copied:
            self.learner.copy()

    def shipped(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Decoders, what they have read, held-out pairs; and all that is measured."""
        pairs = {
            "prose": self.embed(list(self.captions.values())),        # (M, D)
            "code": self.embed([sentences.spoken(one) for one in self.code.values()]),
        }
        passages = [
            {"name": ": ".join(place), "code": self.code[place], "sentence": sentence}
            for place, sentence in self.captions.items()
        ]
        state = {**self.learner.decoders.state_dict(prefix="decoders."), **pairs}
        state["read"] = self.images.short()
        return state, {
            "architecture": {"class": "reference_impls.capdec.CapDec"},
            "embedding": "the mean of word vectors of 256 numbers in wordllama",
            "epsilon": self.epsilon, "epsilon_from_pairs": self.pairs,
            "levels": self.levels, "alone": ALONE, "sentences": len(self.read),
            "words": int((self.images > END).sum()),
            "widest_deviation": self.widest(),
            "config": asdict(self.config),
            "figures": caption_scores.measured(self, pairs["prose"], pairs["code"]),
            "vocabulary": " ".join(self.vocabulary.written),
            "passages": passages,
        }


def padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """Rows of different lengths as one table, (N, T), padded behind."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[PAD] * (longest - len(row))] for row in rows])
