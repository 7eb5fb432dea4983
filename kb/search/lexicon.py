"""The index's own words: what it knows, how a word goes on, what is called how."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from kb.search import analysis
from kb.search.cards import Cards
from kb.search.documents import Document
from kb.search.entries import context, text

MAX_COMPLETIONS = 40
LONGEST_NAME = 4  # words; a full title is no synonym
# The end of a name that counts versions: dinov3, deit3, deitiii; not vit16.
_VERSION = re.compile(r"(.*?[^\W\d_]{2})(v\d{1,2}|\d|ii|iii|iv)")

# Short forms of the field that no entry declares.
SHORT_FORMS = (
    ("EMA", "exponential moving average", "momentum encoder"),
    ("SSL", "self-supervised learning"),
    ("GRN", "global response normalisation"),
    ("CLS token", "class token"),
    ("kNN", "nearest neighbours", "k nearest neighbours"),
    ("lr", "learning rate"),
    ("stopgrad", "stop gradient", "sg"),
    ("MLP", "multilayer perceptron"),
    ("KL", "KL divergence", "Kullback-Leibler divergence"),
)


def count_words(documents: Iterable[Document]) -> dict[str, int]:
    """In how many documents each unstemmed word occurs."""
    counts: Counter[str] = Counter()
    for document in documents:
        all_text = f"{text(document)}\n{' '.join(document.symbols)}"
        counts.update(set(analysis.plain_words(all_text)))
    return dict(counts)


class Lexicon:
    """Vocabulary and names of one index. Immutable once made."""

    def __init__(
        self, documents: Mapping[str, Document], frequency: Mapping[str, int]
    ) -> None:
        self.frequency, self.size = frequency, len(documents)
        self._sorted = sorted(frequency)
        self._by_length: dict[int, list[str]] = defaultdict(list)
        for word in self._sorted:
            self._by_length[len(word)].append(word)
        self._terms = {t for word in frequency for t in analysis.terms_of(word)}
        self.cards = Cards(documents.values())
        shelf = documents.values()
        # Small fields: asking an engine for what they do not hold is wasted time.
        self.rare_terms = {
            "title": _all_terms(document.heading for document in shelf),
            "symbols": _all_terms(" ".join(document.symbols) for document in shelf),
            "context": _all_terms({context(document) for document in shelf}),
        }
        self.named = _named(documents.values())
        self.synonyms = _synonyms(documents.values())
        # The last version of each name: DINOv2 for "dino". Of equals the short name.
        papers = (d for d in shelf if d.kind == "paper")
        names = (name for paper in papers for name in reversed(paper.paper))
        self.counted = {version(name)[0]: name for name in sorted(names, key=version)}

    def holds(self, word: str) -> bool:
        """Whether the word itself, identifiers as a whole, occurs."""
        return all(t in self._terms for t in analysis.terms_of(word)[:1])

    def knows(self, word: str) -> bool:
        """Whether the word or all parts of it occur; stop words are known."""
        parts = analysis.terms_of(word)[1:]
        in_parts = bool(parts) and all(t in self._terms for t in parts)
        return in_parts or self.holds(word)

    def titled(self, word: str) -> bool:
        """Whether a name, a heading, a tag or an author has the word, if any place."""
        whole = analysis.terms_of(word)[:1]
        fields = [*self.rare_terms.values(), self.cards.authors]
        return not self.holds(word) or any(t in f for t in whole for f in fields)

    def of_length(self, least: int, most: int) -> list[str]:
        """Known words of so many letters: no other can be so many edits away."""
        lengths = range(least, most + 1)
        return [word for n in lengths for word in self._by_length.get(n, ())]

    def completions(self, beginning: str) -> list[str]:
        """Known words that begin so, the most frequent first."""
        start = analysis.fold(beginning).lower().strip("_.")
        first = bisect_left(self._sorted, start)
        last = bisect_left(self._sorted, start + "\U0010ffff")
        found = self._sorted[first:last] if start else []
        return sorted(found, key=self.frequency.__getitem__, reverse=True)[
            :MAX_COMPLETIONS
        ]


def _all_terms(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(term for each in texts for term in analysis.terms(each))


def _named(documents: Iterable[Document]) -> dict[str, tuple[str, ...]]:
    """Ids of the documents that bear a name, by each of its `name_keys`.

    What bears a short form of the field bears the long one too.
    """
    also = {
        analysis.name_key(name): tuple(key for n in group for key in name_keys(n))
        for group in SHORT_FORMS for name in group
    }
    named: dict[str, list[str]] = defaultdict(list)
    for document in documents:
        keys = {key for name in document.names for key in name_keys(name)}
        for key in keys.union(*(also.get(key, ()) for key in keys)):
            named[key].append(document.id)
    return {key: tuple(ids) for key, ids in named.items()}


def version(name: str) -> tuple[str, str]:
    """What a name is a version of, and which: "dino" and "v2" for DINO v2.

    A name without a version is its own, in the spelling of `analysis.spelled`.
    """
    spelled = analysis.spelled(name)
    match = _VERSION.fullmatch(spelled)
    return (match[1], match[2]) if match else (spelled, "")


def name_keys(name: str) -> tuple[str, ...]:
    """Keys of a name, the truest first: as it is, as one word, without small words.

    So "facenet" is FaceNet, "tldr" is TL;DR, "teacher student" is teacher and student.
    """
    key = analysis.name_key(name)
    keys = [key, key.replace(" ", "")]
    if not name.endswith("?"):  # without them a question would be a name
        words = (match[0] for match in analysis.words(name))
        telling = " ".join(word for word in words if not analysis.is_common(word))
        keys.append(analysis.name_key(telling))
    return tuple(dict.fromkeys(filter(None, keys)))


def _synonyms(documents: Iterable[Document]) -> dict[str, tuple[str, ...]]:
    """Other names of the same thing, by `analysis.name_key`."""
    groups = [set(names) for names in SHORT_FORMS]
    groups += [set(d.paper) for d in documents if d.kind == "paper"]
    others: dict[str, set[str]] = defaultdict(set)
    for group in groups:
        keys = {analysis.name_key(name): name for name in group}
        for key in keys:
            others[key] |= {name for k, name in keys.items() if k != key}
    short = (k for k in others if k and len(k.split()) <= LONGEST_NAME)
    return {key: tuple(sorted(others[key])) for key in short}
