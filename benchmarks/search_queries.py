"""Queries drawn from the documents themselves, the same ones every time."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Container

from kb.search import analysis
from kb.search.documents import Document

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def telling(text: str) -> list[str]:
    """Words of a text that mean something by themselves."""
    words = (word.lower() for word in re.findall(r"\b[A-Za-z]{4,}\b", text))
    return [word for word in words if not analysis.is_common(word)]


def slip(word: str, chance: random.Random) -> str:
    """One letter of a word replaced, left out, doubled or swapped; never the first."""
    at = chance.randrange(1, len(word) - 1)
    middle = chance.choice([
        chance.choice(LETTERS) + word[at + 1], word[at + 1],
        word[at] * 2 + word[at + 1], word[at + 1] + word[at],
    ])
    return word[:at] + middle + word[at + 2 :]


def drawn(
    documents: list[Document], known: Container[str], count: int
) -> dict[str, list[str]]:
    """Queries by kind, from the words of the documents; always the same.

    known: all their words, so that a typo is none of them.
    """
    chance = random.Random(len(documents))
    made: dict[str, list[str]] = defaultdict(list)
    while len(made["field"]) < count:
        one = chance.choice(documents)
        words = telling(one.heading)
        pairs = re.findall(r"(?=\b([a-z]{4,} [a-z]{4,})\b)", one.body)
        long = [word for word in words if len(word) > 6]
        wrong = slip(chance.choice(long), chance) if long else ""
        if len(words) < 3 or not pairs or not wrong or wrong in known:
            continue
        made["one word"].append(chance.choice(words))
        made["several words"].append(" ".join(chance.sample(words, 3)))
        made["phrase"].append(f'"{chance.choice(pairs)}"')
        made["prefix"].append(f"{chance.choice(words)[:4]}*")
        made["typo"].append(wrong)
        made["field"].append(f"title:{chance.choice(words)}")
    return made


def known_items(documents: list[Document], count: int) -> list[tuple[str, str]]:
    """Two or three words of a title in their order, and the document that is meant."""
    chance = random.Random(count)
    made: list[tuple[str, str]] = []
    while len(made) < count:
        one = chance.choice(documents)
        words = telling(one.heading)
        if len(words) >= 3:
            taken = sorted(chance.sample(range(len(words)), chance.choice([2, 3])))
            made.append((" ".join(words[at] for at in taken), one.slug))
    return made
