"""Sentences as numbers and back: whole words and marks, in the commonest spelling."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

# A word that is not known is a pad: the loss passes over it, so it is never said.
PAD, END = 0, 1
MARKS = ("<pad>", "<end>")
WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?|[^\sA-Za-z]")
SEAMS = re.compile(r" (?=[.,;:?!-])|(?<=-) ")  # blanks that are not written


def words(sentence: str) -> list[str]:
    """Words and punctuation marks, one by one."""
    return WORD.findall(sentence)


class Vocabulary:
    """Number n is the n-th word; upper and lower case are one."""

    def __init__(self, known: Sequence[str]):
        """known: the words as they are written, without MARKS."""
        self.written = [*MARKS, *known]
        self.number = {word.lower(): n for n, word in enumerate(self.written)}

    def __len__(self) -> int:
        return len(self.written)

    @classmethod
    def of(cls, sentences: Iterable[str], least: int) -> Vocabulary:
        """All words that occur at least that often, the commonest first.

        A word at the start of a sentence does not tell how it is written elsewhere.
        """
        count: Counter[str] = Counter()
        spelt: dict[str, Counter[str]] = {}  # inside of sentences
        for sentence in sentences:
            for place, word in enumerate(words(sentence)):
                count[word.lower()] += 1
                forms = spelt.setdefault(word.lower(), Counter({word.lower(): 0}))
                forms[word] += bool(place)
        kept = [word for word, times in count.most_common() if times >= least]
        return cls([spelt[word].most_common(1)[0][0] for word in kept])

    def numbers(self, sentence: str) -> list[int]:
        """A sentence's words, and the end."""
        found = (self.number.get(w.lower(), PAD) for w in words(sentence))
        return [*found, END]

    def sentence(self, numbers: Iterable[int]) -> str:
        """The words up to the end, with a capital letter in front."""
        found: list[str] = []
        for number in numbers:
            if number in (PAD, END):
                break
            found.append(self.written[number])
        text = SEAMS.sub("", " ".join(found))
        return text[:1].upper() + text[1:]
