"""From a parsed query to ranked documents of one generation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from kb.search import analysis, plan, spelling
from kb.search.cards import RISE_BY_AUTHOR
from kb.search.documents import KINDS, Document
from kb.search.generations import Generation
from kb.search.language import Phrase, Prefix, Query, Word
from kb.search.lexicon import name_keys
from kb.search.said import LEAST
from kb.search.shelf import Hits, Scores

# With fewer hits for all words than this, hits for some of them follow.
ENOUGH = 5
MOST = 10_000
SHORTEST_BEGINNING = 3
# How far a question that is nearly asked rises, in units of the best score; and what
# other places are worth to somebody who asks a question.
RISE, RISE_IF_ASKED = 1.0, 1.5
WORTH_IF_ASKED = {"paper": 0.8, "symbol": 0.6, "equation": 0.6}
# Who types LaTeX means a formula, who asks for a title mostly a paper's.
WORTH_IF_LATEX = {"equation": 2.0}
WORTH_IF_TITLE = {"paper": 2.0}
ABOUT_PAPERS = ("author", "year", "has")  # filters nobody sets to look for code
COMPARED = 150  # hits that are compared with the query word for word


@dataclass(frozen=True)
class Ranked:
    """Documents with scores, best first, and how they were found."""

    hits: Hits
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


def rank(query: Query, generation: Generation) -> Ranked:
    """Documents for a query: those with all words first, then, if few, with some.

    Hits are enough when enough of them pass the filters; those that do not are
    returned all the same, for the counts beside the filters.
    """
    nodes = plan.clauses(query, generation.lexicon)
    if not (nodes or query.unwanted or query.filters) or (query.wanted and not nodes):
        return Ranked(generation.shelf.hits(np.zeros(len(generation.shelf))))
    if not query.words:  # filters alone ask nothing of an engine
        everything = np.ones(len(generation.shelf))
        return Ranked(_ordered(everything, query, generation))
    found = _Search(query, generation)
    short = plan.is_short(query)
    strict = found.scores(nodes, every=True) if short else found.nothing
    passing = generation.shelf.hits(strict).keep(query.filters)
    loose = len(nodes) > 1 and len(passing) < ENOUGH
    scores = strict
    if loose or not short:
        scores = _strict_first(strict, found.scores(nodes, every=False))
    if not scores.any() and any(isinstance(word, Phrase) for word in query.wanted):
        return replace(rank(_without_quotes(query), generation), loosened=True)
    loosened = loose and bool(np.any((scores > 0) & (strict == 0)))
    return Ranked(_ordered(scores, query, generation), loosened, found.complete)


class _Search:
    """Engine requests for one query; remembers whether time ran out."""

    def __init__(self, query: Query, generation: Generation) -> None:
        self.query, self.generation = query, generation
        self.complete = True

    @property
    def nothing(self) -> Scores:
        """No score for any document."""
        return np.zeros(len(self.generation.shelf))

    def scores(self, nodes: list[plan.Node], *, every: bool) -> Scores:
        """Scores by the number of the document, 0 for what is not found."""
        lexicon = self.generation.lexicon
        asked = plan.request(nodes, self.query, lexicon, every=every)
        answer = self.generation.engine.search(asked, MOST)
        self.complete &= answer.complete
        scores = self.nothing
        scores[answer.numbers] = answer.scores
        terms = _typed_terms(self.query)
        if len(terms) > 1:
            scores *= LEAST
            near = answer.numbers[:COMPARED]
            together = not self.query.asks  # a question's words are no name
            factors = self.generation.said.factors(near, terms, together=together)
            scores[near] = answer.scores[:COMPARED] * factors
        return scores


def _typed_terms(query: Query) -> list[str]:
    """The terms of all plain words, in order."""
    if any(word.place for word in query.wanted):
        return []
    typed = (analysis.terms_of(word)[:1] for word in _telling(query))
    return list(dict.fromkeys(term for first in typed for term in first))


def _strict_first(strict: Scores, some: Scores) -> Scores:
    """Scores for some words, those with all words lifted above the rest."""
    return some + np.where(strict > 0, strict + some.max(initial=0.0), 0.0)


def _without_quotes(query: Query) -> Query:
    words = []
    for word in query.words:
        if isinstance(word, Phrase) and not word.negated:
            words += [Word(text, word.place) for text in word.text.split()]
        else:
            words.append(word)
    return replace(query, words=tuple(words))


def _ordered(scores: Scores, query: Query, generation: Generation) -> Hits:
    """By score and hint, what the query nearly asks or describes raised.

    Places that the query names exactly stand on top, papers first.
    """
    shelf = generation.shelf
    best = scores.max(initial=0.0) or 1.0
    if not query.wanted:  # all pass alike, so papers come first
        scores = np.where(scores > 0, len(KINDS) - shelf.kinds, 0.0)
    worth = _worth(query)
    by_kind = np.array([worth.get(kind, 1.0) for kind in KINDS])
    weighed = scores * shelf.hints * by_kind[shelf.kinds]
    risen = list(_rises(query, generation))
    places = np.array([shelf.number[id] for id, _ in risen], np.int64)
    rises = np.array([rise for _, rise in risen], float)
    # Only the engine knows which places hold a phrase, or a word that is not wanted.
    particular = any(isinstance(word, Phrase | Prefix) for word in query.wanted)
    if particular or query.unwanted:
        rises = np.where(weighed[places] > 0, rises, 0.0)
    np.add.at(weighed, places, best * rises)
    return shelf.hits(weighed)


def _worth(query: Query) -> dict[str, float]:
    """Factors by kind of place that the form of the query suggests."""
    if query.asks:
        return WORTH_IF_ASKED
    if query.latex:
        return WORTH_IF_LATEX
    if any(word.place == "title" for word in query.wanted):
        return WORTH_IF_TITLE
    return {}


def _rises(query: Query, generation: Generation) -> Iterator[tuple[str, float]]:
    """How far places rise, in units of the best score, for what they are."""
    if not any(word.place for word in query.wanted):
        text = " ".join(word.text for word in query.wanted)
        several = len(set(analysis.terms(text))) > 1
        asked = RISE_IF_ASKED if query.asks else RISE
        near = generation.questions.near(text) if several or query.asks else {}
        yield from ((id, asked * nearness) for id, nearness in near.items())
        cards = generation.lexicon.cards.matches(_telling(query))
        sure = any(each.name in ABOUT_PAPERS for each in query.filters)
        yield from ((id, RISE_BY_AUTHOR if sure else r) for id, r in cards.items())
    typed = _as_name(query)
    for id in _named(typed, generation):
        document = generation.documents[id]
        rise = (1 + _rank_of(document)) * document.hint
        yield id, rise + _as_written(document, typed)


def _rank_of(document: Document) -> int:
    """Papers first, down to equations, the last of KINDS."""
    return len(KINDS) - KINDS.index(document.kind)


def _as_written(document: Document, typed: str) -> float:
    """How much more a name counts that is written just so, an identifier above all."""
    if "_" in typed and typed in document.names:
        return float(len(KINDS))
    spelled = analysis.spelled(typed)
    return 0.5 if spelled in map(analysis.spelled, document.names) else 0.0


def _named(typed: str, generation: Generation) -> tuple[str, ...]:
    """Ids of the places that bear the name, by the truest of its keys that is known."""
    named = generation.lexicon.named
    known = (named[key] for key in name_keys(typed) if key in named)
    return next(known, ())


def _as_name(query: Query) -> str:
    """The wanted words as a name; a place other than title or def names nothing."""
    if any(word.place not in ("", "title", "def") for word in query.wanted):
        return ""
    return " ".join(word.text for word in query.wanted)


def _telling(query: Query) -> list[str]:
    """All wanted words that are no stop words."""
    found = (part for word in query.wanted for part in word.text.split())
    return [word for word in found if not analysis.is_common(word)]
