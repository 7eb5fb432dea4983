"""Words into index terms: the same for documents and queries, whatever the engine.

Every engine is handed finished terms, so all of them rank the same words.
An identifier gives itself and its parts: `random_masking` is found by its full
name, by `masking` and by "masks".
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import Stemmer

# Part of the index's hash: raise it whenever the terms of a text change.
VERSION = 4

COMMON = """a about after all also an and any are as at be because been but by can do
does et al for from had has have how i if in into is it its itself just may me more most
my no not of on or our over really should so such than that the their them themselves
then there these they this to under vs was we were what when where which while who why
will with would you"""
STOP_WORDS = frozenset(COMMON.split())
OPERATORS = frozenset({"AND", "OR", "NOT"})  # typed out of habit, never a name

# Names whose capitals do not mark the start of a new word.
WHOLE_NAMES = (
    "ViT", "DeiT", "HiLo", "MoCo", "PyTorch", "CapDec", "SwAV", "ReLU", "SimCLR",
    "SimSiam",
)

SPELLINGS = (
    ("colour", "color"), ("behaviour", "behavior"), ("neighbour", "neighbor"),
    ("centre", "center"), ("centring", "centering"), ("analys", "analyz"),
    ("labell", "label"), ("modell", "model"), ("grey", "gray"), ("learnt", "learned"),
    ("artefact", "artifact"),
)

_ISE = re.compile(r"(?<=\w{4})is(?=(?:e|ed|es|er|ers|ing|ation|ations)$)")
# Written with and without a hyphen: pre-training, fine-tuning, multi-crop, 2-D.
_PREFIX = r"(?:\b(?:pre|fine|multi|non|\d(?=-D\b))-)?"
_WORD = re.compile(rf"{_PREFIX}\w+(?:\.\w+)*", re.IGNORECASE)
_PLURAL = re.compile(r"[A-Z]{2,}s")
_NUMBER = re.compile(r"\d+(?:\.\d+)*")
_PART = re.compile(
    "|".join(WHOLE_NAMES)
    + r"|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+[a-z]?|[^\W\d_a-zA-Z]+"
)
_local = threading.local()


def words(text: str) -> Iterator[re.Match[str]]:
    """The words of a text with their places: letters, digits, `_` and inner dots.

    A few prefixes belong to their word, whether or not a hyphen stands between.
    """
    return _WORD.finditer(text)


@lru_cache(maxsize=65536)
def fold(word: str) -> str:
    """Without accents, case kept; a Greek letter becomes its name (τ is tau)."""
    if word.isascii():
        return word
    letters = (_letter(c) for c in unicodedata.normalize("NFKD", word))
    return "".join(letters)


def _letter(character: str) -> str:
    if unicodedata.combining(character):
        return ""
    name = unicodedata.name(character, "")
    if name.startswith("GREEK ") and "LETTER " in name:
        plain = name.rpartition("LETTER ")[2].split()[0].lower()
        return "lambda" if plain == "lamda" else plain  # Unicode's spelling
    return character


def split_identifier(word: str) -> list[str]:
    """`get_2d_sincos` and `HTTPServer` into parts: get 2d sincos, HTTP Server."""
    return _PART.findall(word)


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """English Snowball stem of one lower-case word; British and American alike."""
    if not hasattr(_local, "stemmer"):  # PyStemmer's objects are not thread-safe
        _local.stemmer = Stemmer.Stemmer("english")
    return _local.stemmer.stemWord(_american(word))


def _american(word: str) -> str:
    """One spelling of normalise and normalize, centre and center, colour and color."""
    for british, american in SPELLINGS:
        word = word.replace(british, american)
    return _ISE.sub("iz", word)


def _singular(word: str) -> str:
    """CNNs as CNN; endings of other words are the stemmer's business."""
    return word[:-1] if _PLURAL.fullmatch(word) else word


def is_common(word: str) -> bool:
    """A stop word; not one whose capitals make it a name, as CAN does."""
    is_name = len(word) > 2 and word.isupper() and word not in OPERATORS
    return word.lower() in STOP_WORDS and not is_name


@lru_cache(maxsize=65536)
def terms_of(word: str) -> tuple[str, ...]:
    """Index terms of one word of `words`, the whole identifier first.

    A plain word gives its stem, a stop word nothing, a compound identifier itself,
    its dotted components and the stems of its parts. So does a word with a prefix:
    "pre-training" is pretraining, pre and training.
    """
    folded = _singular(fold(word).strip("_."))
    whole = folded.lower()
    if _NUMBER.fullmatch(whole):
        return (whole,)
    parts = [part.lower() for part in split_identifier(folded)]
    if len(parts) < 2:
        return () if not whole or is_common(folded) else (stem(whole),)
    components = [c.strip("_") for c in whole.split(".")] if "." in whole else []
    long_parts = [stem(p) for p in parts if len(p) > 1 or p.isdigit()]
    joined = whole.replace("-", "")
    # InfoNCE is typed as infonce too, and that is a plain word with a stem.
    first = stem(joined) if joined.isalpha() or "-" in whole else whole
    return tuple(dict.fromkeys([first, *filter(None, components), *long_parts]))


def terms(text: str) -> list[str]:
    """All index terms of a text in reading order."""
    return [term for match in words(text) for term in terms_of(match[0])]


def name_key(text: str) -> str:
    """One spelling for all ways to write a name.

    `random_masking`, "Random Masking" and "random masks" share one key.
    """
    parts = (p for match in words(text) for p in split_identifier(fold(match[0])))
    return " ".join(stem(part.lower()) for part in parts)


def spelled(text: str) -> str:
    """A name without its gaps and capitals, endings kept: `random_masking` alike."""
    parts = (p for match in words(text) for p in split_identifier(fold(match[0])))
    return "".join(parts).lower()


def plain_words(text: str) -> Iterator[str]:
    """Lower-case words without stemming, identifiers whole and in parts.

    This is the vocabulary that spelling and prefixes are read from. A name that is
    a common word in small letters keeps its capitals.
    """
    for match in words(text):
        folded = _singular(fold(match[0]).strip("_."))
        parts = split_identifier(folded)
        is_name = folded.isupper() and folded.lower() in STOP_WORDS
        yield folded if is_name else folded.lower().replace("-", "")
        if len(parts) > 1:
            yield from (part.lower() for part in parts if len(part) > 1)
