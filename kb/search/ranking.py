"""From a parsed query to ranked documents of one generation."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from kb.search import analysis, plan, spelling
from kb.search.documents import KINDS, Document
from kb.search.engine import Ranking
from kb.search.generations import Generation
from kb.search.language import Phrase, Prefix, Query, Word

# With fewer hits for all words than this, hits for some of them follow.
ENOUGH = 5
MOST = 10_000
SHORTEST_BEGINNING = 3
# How far a question that is nearly asked rises, in units of the best score; and what
# other places are worth to somebody who asks a question.
RISE, RISE_IF_ASKED = 1.0, 1.5
WORTH_IF_ASKED = {"paper": 0.8, "symbol": 0.6, "equation": 0.6}


@dataclass(frozen=True)
class Ranked:
    """Documents with scores, best first, and how they were found."""

    hits: list[tuple[Document, float]]
    loosened: bool = False
    complete: bool = True


def respell(query: Query, generation: Generation) -> tuple[Query, dict[str, str]]:
    """Replace unknown words: by words that begin so, else by the nearest known word.

    Returns the query to search and what was corrected (typed word to known word).
    """
    corrected: dict[str, str] = {}
    words = []
    for word in query.words:
        read = word if word.negated else _respelled(word, generation)
        if read.text != word.text:
            corrected[word.text] = read.text
        words.append(read)
    return replace(query, words=tuple(words)), corrected


def _respelled(word: Word, generation: Generation) -> Word:
    lexicon = generation.lexicon
    if type(word) is not Word or word.place == "eq":
        return word
    # Half of an identifier (`random_m`) is a beginning even if its parts are known.
    half = re.search(r"[_.]", word.text) and not lexicon.holds(word.text)
    if lexicon.knows(word.text) and not half:
        return word
    if len(word.text) >= SHORTEST_BEGINNING and lexicon.completions(word.text):
        return Prefix(word.text, word.place)
    if lexicon.knows(word.text):
        return word
    return replace(word, text=spelling.correct(word.text, lexicon) or word.text)


def rank(
    query: Query, generation: Generation, passes: Callable[[Document], bool]
) -> Ranked:
    """Documents for a query: those with all words first, then, if few, with some.

    passes: the filters. Hits are enough when enough of them pass; those that do not
    are returned all the same, for the counts beside the filters.
    """
    nodes = plan.clauses(query, generation.lexicon)
    if query.wanted and not nodes:
        return Ranked([])
    found = _Search(query, generation)
    strict = found.hits(nodes, every=True) if plan.is_short(query) else {}
    passing = sum(passes(generation.documents[id]) for id in strict)
    loose = len(nodes) > 1 and passing < ENOUGH
    scores = strict
    if loose or not plan.is_short(query):
        scores = _strict_first(strict, found.hits(nodes, every=False))
    if not scores and any(isinstance(word, Phrase) for word in query.wanted):
        return replace(rank(_without_quotes(query), generation, passes), loosened=True)
    loosened = loose and len(scores) > len(strict)
    return Ranked(_ordered(scores, query, generation), loosened, found.complete)


class _Search:
    """Engine requests for one query; remembers whether time ran out."""

    def __init__(self, query: Query, generation: Generation) -> None:
        self.query, self.generation = query, generation
        self.complete = True

    def hits(self, nodes: list[plan.Node], *, every: bool) -> dict[str, float]:
        """Scores by document id."""
        lexicon = self.generation.lexicon
        asked = plan.request(nodes, self.query, lexicon, every=every)
        answer: Ranking = self.generation.engine.search(asked, MOST)
        self.complete &= answer.complete
        return dict(answer.hits)


def _strict_first(strict: dict[str, float], some: dict[str, float]) -> dict[str, float]:
    """Scores for some words, those with all words lifted above the rest."""
    lift = max(some.values(), default=0.0)
    return some | {id: some.get(id, 0.0) + lift + s for id, s in strict.items()}


def _without_quotes(query: Query) -> Query:
    words = []
    for word in query.words:
        if isinstance(word, Phrase) and not word.negated:
            words += [Word(text, word.place) for text in word.text.split()]
        else:
            words.append(word)
    return replace(query, words=tuple(words))


def _ordered(
    scores: dict[str, float], query: Query, generation: Generation
) -> list[tuple[Document, float]]:
    """By score and hint, questions that are nearly asked raised.

    Places that the query names exactly stand on top, papers first.
    """
    documents = generation.documents
    best = max(scores.values(), default=1.0)
    named = generation.lexicon.named.get(_as_name(query), ())
    weighed = {id: score * documents[id].hint for id, score in scores.items()}
    if query.asks:
        for id in weighed:
            weighed[id] *= WORTH_IF_ASKED.get(documents[id].kind, 1.0)
    # Only the engine knows which places hold a phrase, or a word that is not wanted.
    particular = query.unwanted or any(
        isinstance(word, Phrase | Prefix) for word in query.wanted
    )
    rise = best * (RISE_IF_ASKED if query.asks else RISE)
    for id, near in _nearly_asked(query, generation).items():
        if id in weighed or not particular:
            weighed[id] = weighed.get(id, 0.0) + rise * near
    for id in named:
        if id in weighed:
            rank_of_kind = len(KINDS) - KINDS.index(documents[id].kind)
            weighed[id] += best * (1 + rank_of_kind) * documents[id].hint
    order = sorted(weighed.items(), key=lambda item: (-item[1], item[0]))
    return [(documents[id], score) for id, score in order]


def _nearly_asked(query: Query, generation: Generation) -> dict[str, float]:
    """Questions near to the wanted words, if these are several and plain."""
    if any(word.place for word in query.wanted):
        return {}
    asked = " ".join(word.text for word in query.wanted)
    several = len(set(analysis.terms(asked))) > 1
    return generation.questions.near(asked) if several or query.asks else {}


def _as_name(query: Query) -> str:
    """The wanted words as a name; a place other than title or def names nothing."""
    if any(word.place not in ("", "title", "def") for word in query.wanted):
        return ""
    return analysis.name_key(" ".join(word.text for word in query.wanted))
