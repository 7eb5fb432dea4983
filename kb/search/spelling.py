"""Spelling: an unknown word becomes the nearest known one, then is searched exactly.

Words the index knows are never touched, and the search itself is never fuzzy.
"""

from __future__ import annotations

from rapidfuzz import process
from rapidfuzz.distance import OSA

from kb.search import analysis
from kb.search.lexicon import Lexicon

SHORTEST, LONG = 3, 6
# Three letters are near to many words and may be a short name that nobody here bears:
# they are read as a word that lost a letter if a share of all places says it, so that
# "tme" is time and "vae" is nothing.
COMMON = 0.02


def edits_allowed(word: str) -> int:
    """One slip in a word of three to five letters, two in a longer one.

    The typed word counts, which may have lost letters of the one that was meant.
    """
    if len(word) < SHORTEST or any(c.isdigit() for c in word):
        return 0
    return 1 if len(word) < LONG else 2


def correct(word: str, lexicon: Lexicon) -> str | None:
    """The known word nearest to an unknown one; None if there is none near enough.

    Nearest: fewest edits (a swap of neighbours is one), then the same first letters,
    then the more frequent word.
    """
    typed = analysis.fold(word).lower()
    edits = edits_allowed(typed)
    if not edits:
        return None
    near = process.extract(
        typed, lexicon.of_length(len(typed) - edits, len(typed) + edits),
        scorer=OSA.distance, score_cutoff=edits, limit=50,
    )
    short = len(typed) == SHORTEST
    least = COMMON * lexicon.size if short else 0
    candidates = [
        (found, edits) for found, edits, _ in near
        if len(found) >= SHORTEST + short and lexicon.frequency[found] >= least
    ]
    if not candidates:
        return None

    def nearness(candidate: tuple[str, float]) -> tuple[float, int, int, str]:
        found, distance = candidate
        kept = (found[:1] == typed[:1]) + (found[:2] == typed[:2])
        return distance, -kept, -lexicon.frequency[found], found

    return min(candidates, key=nearness)[0]
