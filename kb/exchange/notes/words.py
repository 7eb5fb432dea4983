"""Words of headings and titles, folded so that spellings of one name agree."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from functools import lru_cache

import Stemmer

from kb.catalogue.entries import slugify

SMALL = """a an the of for with in on by to and or is are as at from via using vs what
how why do does it its this that some about not be many more new ssl"""
STOP = frozenset(SMALL.split())

# Words that half of the field's titles share: alone they name no paper.
SHARED = """self supervised supervision unsupervised learning visual vision video image
representation deep contrastive generative model method loss network neural training
pretraining pre evaluation current classic basics background trends modern recent
approaches techniques computer"""

_local = threading.local()


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """English stem of a lower-case word; British and American spelling alike."""
    if not hasattr(_local, "stemmer"):  # PyStemmer's objects are not thread-safe
        _local.stemmer = Stemmer.Stemmer("english")
    plain: str = _local.stemmer.stemWord(word.replace("our", "or"))
    return plain


def tokens(text: str) -> list[str]:
    """Stems of a text's words; hyphens divide, small words go."""
    words = slugify(re.sub(r"[-/–—.]", " ", text), " ").split()
    return [stem(word) for word in words if word not in STOP]


FIELD_STEMS = frozenset(stem(word) for word in SHARED.split())


def only_field_words(text: str) -> bool:
    """Whether a heading names a region of the field and nothing in it."""
    found = tokens(text)
    return bool(found) and all(token in FIELD_STEMS for token in found)


def runs(words: Sequence[str], least: int) -> list[tuple[int, int, str]]:
    """(start, end, joined) of every run of neighbours, longest first.

    Joined without spaces, `pre text` and `pretext` are one.
    """
    found = [
        (i, j, "".join(words[i:j]))
        for i in range(len(words))
        for j in range(i + least, len(words) + 1)
    ]
    return sorted(found, key=lambda run: run[0] - run[1])
