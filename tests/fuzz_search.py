"""Throws random and hostile text at the search; nothing may fail.

    python -m tests.fuzz_search --count 100000 --seed 0 [--searches 3000]

Each text is parsed and told in words; the first `--searches` of them are searched
whole in the project's own library, suggestions included. Prints the slowest times
and all above SLOW_MS, and the text with its seed where something was raised. Times
are the processor's, so that a busy machine makes no text slow.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

PIECES = (
    *'"\'`*-+:=.,;()[]{}<>|&!?~^%$#@/\\_', "“", "”", "«", "»", "..", "  ", "\t", "\n",
    "\x00", "\x1b", "\x7f", "\u200b", "\u202e", "\ufeff", "\ud800", "\U0010ffff",
    "AND", "OR", "NOT", "TO", "NEAR(", "author:", "year:", "part:", "family:", "tag:",
    "has:", "kind:", "title:", "def:", "code:", "eq:", "EQ=", "-part:video",
    "year:2020..2022", "year:..", "year:99999", "year:2022..2020", "author:\"",
    "\\tau", "\\frac{a}{b}", "\\operatorname{softmax}", "$x^2$", "\\", "\\begin{cases}",
    "mae", "MAE", "byol", "random_masking", "nt_xent", "attention", "masked",
    "autoencodr", "stop gradient", "why", "does", "collapse", "2020", "2111.06377",
    "arxiv:2111.06377", "https://arxiv.org/abs/2002.05709v1", "a*", "enc*", "*ing",
    "[a TO m]", "'; DROP TABLE entries; --", "<script>alert(1)</script>", "%00", "%s",
    "{0}", "../../etc/passwd", "τ", "ρ-MoCo", "é", "ﬁ", "ß", "İ", "ı", "自己教師あり学習",
    "самообучение", "التعلم", "नमस्ते", "👩‍👩‍👧", "🙂", "½", "²", "٣", "Ⅷ", "a\u0301" * 5,
)
LONG = (300, 3_000, 20_000)
SLOW_MS = 200.0


def texts(count: int, seed: int) -> Iterator[str]:
    """The same texts for the same seed."""
    dice = random.Random(seed)
    makers: list[Callable[[random.Random], str]] = [
        _mixed, _mixed, _mixed, _characters, _repeated,
    ]
    for _ in range(count):
        yield dice.choice(makers)(dice)


def _mixed(dice: random.Random) -> str:
    joint = dice.choice(["", " ", " "])
    return joint.join(dice.choices(PIECES, k=dice.randrange(1, 12)))


def _characters(dice: random.Random) -> str:
    highest = dice.choice([0x7F, 0x7F, 0x17F, 0xFFFF, 0x10FFFF])
    return "".join(chr(dice.randint(0, highest)) for _ in range(dice.randrange(60)))


def _repeated(dice: random.Random) -> str:
    """One piece or two, over and over; very long in one of twenty texts."""
    long = dice.choice(LONG) if dice.random() < 0.05 else 40
    piece = "".join(dice.choices(PIECES, k=dice.randrange(1, 3)))
    return (piece * long)[:long]


@dataclass
class Times:
    """The slowest of one kind of call, and all that were too slow, in its own time."""

    slowest: tuple[float, str] = (0.0, "")
    slow: list[tuple[float, str]] = field(default_factory=list)

    def took(self, call: Callable[[str], object], text: str) -> None:
        """Call, and remember how long it took. What it raises names the text."""
        started = time.process_time()
        try:
            call(text)
        except Exception as error:
            error.add_note(f"the text was {text[:200]!a}")
            raise
        ms = 1000 * (time.process_time() - started)
        self.slowest = max(self.slowest, (ms, ascii(text[:80])))
        if ms > SLOW_MS:
            self.slow.append((ms, ascii(text[:80])))

    def __str__(self) -> str:
        rows = [f"slowest {self.slowest[0]:.1f} ms: {self.slowest[1]}"]
        rows.append(f"{len(self.slow)} above {SLOW_MS:g} ms")
        return "\n".join(rows + [f"  {ms:.0f} ms: {text}" for ms, text in self.slow])


def read(text: str) -> None:
    """Parse a text and say what was understood."""
    from kb.search import language, wording

    query = language.parse(text)
    if len(query.words) > len(text):
        raise AssertionError("more words than characters")
    said = wording.sentence(query, {}, loosened=False, complete=True)
    if not isinstance(said, str):
        raise AssertionError("nothing was said")


def look_up(text: str) -> None:
    """Search and suggest as the page does."""
    from kb.search import service

    answer = service.search(text)
    if answer.count < len(answer.results):
        raise AssertionError("more hits shown than counted")
    service.suggest(text)


def run(count: int, seed: int, searches: int) -> tuple[Times, Times]:
    """Times of parsing and of whole searches."""
    parsing, searching = Times(), Times()
    for number, text in enumerate(texts(count, seed)):
        parsing.took(read, text)
        if number < searches:
            searching.took(look_up, text)
    return parsing, searching


def main() -> int:
    """Read the command line, run, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--searches", type=int, default=0)
    asked = options.parse_args()
    if asked.searches:
        look_up("warm-up")
    parsing, searching = run(asked.count, asked.seed, asked.searches)
    sys.stdout.write(f"parsing, {asked.count} texts: {parsing}\n")
    if asked.searches:
        sys.stdout.write(f"searching, {asked.searches} texts: {searching}\n")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    sys.exit(main())
