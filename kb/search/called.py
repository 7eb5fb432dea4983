"""Names that nothing here bears: DINOv3 where there is DINOv2, or Swin Transformer.

There is something to show, as their parts are known or texts speak of them; but it
must not pass for what was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, pairwise

from kb.search import analysis
from kb.search.generations import Generation
from kb.search.language import Query, Word
from kb.search.lexicon import name_keys, version
from kb.search.shelf import Hits

READ = 20  # places in which the writing of a word is looked at
FEW = 2  # words of a query that is a name, with what kind of thing it is
_WITH_V = re.compile(r"v\d{1,2}", re.IGNORECASE)


def is_name(text: str, generation: Generation) -> bool:
    """Whether some place bears the text as its name: "tldr" is no word, but TL;DR."""
    return any(key in generation.lexicon.named for key in name_keys(text))


def uncalled(query: Query, found: Hits, generation: Generation) -> str | None:
    """The part of a query that is a name which nothing here bears; None without one.

    found: the hits, whose texts tell whether a word of few is a name.
    """
    words = query.wanted
    if not all(type(word) is Word and word.place in ("", "title") for word in words):
        return None
    texts = [word.text for word in words if not analysis.is_common(word.text)]
    if is_name(" ".join(texts), generation):
        return None
    names = [name for name in _possible(texts) if _is_new_version(name, generation)]
    if not names and len(texts) <= FEW and not query.asks:
        names = [text for text in texts if _is_foreign(text, texts, found, generation)]
    return next(iter(names), None)


def nearer(query: Query, name: str, found: Hits, generation: Generation) -> Query:
    """The query with the last version there is for one that no hit speaks of.

    The same query where there is none, or where texts speak of the name.
    """
    last = generation.lexicon.counted.get(version(name)[0], "")
    texts, made = [word.text for word in query.words], name.split()
    starts = (at for at in range(len(texts)) if texts[at : at + len(made)] == made)
    at = next(starts, None)
    if at is None or is_said(name, found):
        return query
    there = [replace(query.words[at], text=text) for text in last.split()]
    words = (*query.words[:at], *there, *query.words[at + len(made) :])
    return replace(query, words=words) if last else query


def is_said(name: str, found: Hits) -> bool:
    """Whether the text of one of the first hits speaks of it."""
    letters = r"[\W_]*".join(map(re.escape, analysis.spelled(name)))
    said = re.compile(rf"\b{letters}\b", re.IGNORECASE)
    return any(said.search(f"{d.heading}\n{d.body}") for d, _ in islice(found, READ))


def _possible(texts: list[str]) -> Iterator[str]:
    """Each word, "dino v3" among others, and "deit 4" where nothing else is said."""
    yield from texts
    yield from (f"{of} {v}" for of, v in pairwise(texts) if _WITH_V.fullmatch(v))
    yield " ".join(texts)


def _is_new_version(name: str, generation: Generation) -> bool:
    """Whether it counts on from a paper's name; version 1 is the paper itself."""
    of, number = version(name)
    first = number in ("1", "v1") and is_name(of, generation)
    known = of in generation.lexicon.counted
    return bool(number) and known and not first and not is_name(name, generation)


def _is_foreign(
    text: str, texts: list[str], found: Hits, generation: Generation
) -> bool:
    """Whether texts say it in passing, with a capital as the name of something.

    Capitals alone (CPU) may be anything, beside another word.
    """
    if not text.isalpha() or generation.lexicon.titled(text):
        return False
    inside = r"(?:(?<=[\w,;:]\s)|(?<=[(/]))"  # where a capital marks a name
    said = re.compile(rf"{inside}{text}\b", re.IGNORECASE)
    places = (document.body for document, _ in islice(found, READ))
    written = {form for body in places for form in said.findall(body)}
    mixed = any(form != form.upper() for form in written)
    return bool(written) and text.lower() not in written and (mixed or len(texts) == 1)
