"""Makes `queries.jsonl`: one slip or two in each of the library's commonest words.

    python -m tests.search.make_typos        writes the file again, always the same

The words are the 300 that most documents hold, of four letters or more, stop words
and identifiers left out. Words of eight letters or more get two slips every other
time. A slip drops, doubles or swaps letters or hits a neighbouring key. What is then
another known word is no typo to anybody and is made anew.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Collection
from pathlib import Path

FILE = Path(__file__).parent / "queries.jsonl"
WORDS, SHORTEST, LONG, SEED = 300, 4, 8, 0
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def slip(word: str, dice: random.Random) -> tuple[str, str]:
    """The word with one slip, and its kind. The first letter is kept."""
    at = dice.randrange(1, len(word))
    before, letter, after = word[:at], word[at], word[at + 1 :]
    kind = dice.choice(["drop", "double", "swap", "neighbour key"])
    if kind == "drop":
        return before + after, kind
    if kind == "double":
        return before + letter * 2 + after, kind
    if kind == "swap" and after:
        return before + after[0] + letter + after[1:], kind
    return before + beside(letter, dice) + after, "neighbour key"


def beside(letter: str, dice: random.Random) -> str:
    """A letter whose key is left or right of the letter's."""
    row = next(row for row in ROWS if letter in row)
    at = row.index(letter)
    return dice.choice(row[max(at - 1, 0) : at] + row[at + 1 : at + 2])


def typo(word: str, slips: int, dice: random.Random, known: Collection[str]) -> dict:
    """One line of the file."""
    while True:
        typed, kinds = word, []
        for _ in range(slips):
            typed, kind = slip(typed, dice)
            kinds.append(kind)
        if typed != word and typed not in known:
            return {"query": typed, "term": word, "slips": kinds}


def main() -> None:
    """Count the words of all papers and write the file."""
    from kb.catalogue.library import library
    from kb.search.analysis import STOP_WORDS
    from kb.search.documents import documents
    from kb.search.lexicon import count_words

    counts = count_words(documents(library()))
    plain = [w for w in counts if w.isascii() and w.isalpha() and len(w) >= SHORTEST]
    plain = [word for word in plain if word not in STOP_WORDS]
    common = sorted(plain, key=lambda word: (-counts[word], word))[:WORDS]
    dice = random.Random(SEED)
    lines = []
    for number, word in enumerate(common):
        slips = 2 if len(word) >= LONG and number % 2 else 1
        lines.append(json.dumps(typo(word, slips, dice, counts)))
    FILE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    main()
