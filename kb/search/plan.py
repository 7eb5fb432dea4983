"""From the visitor's query to an engine's request: our tree in, finished terms out."""

from __future__ import annotations

from collections.abc import Sequence as Many
from dataclasses import replace

from django.conf import settings

from kb.search import analysis, formula
from kb.search.documents import KINDS
from kb.search.engine import And, Or, Request, Sequence, Term
from kb.search.language import Phrase, Prefix, Query, Word
from kb.search.lexicon import LONGEST_NAME, Lexicon

Node = Term | Sequence | And | Or

# Few words are mostly words of a title; many words are a description.
SHORT_QUERY = 4
SHORT_WEIGHTS = {"title": 4.0, "symbols": 2.0, "context": 0.3, "code": 0.5}
LONG_WEIGHTS = {"title": 0.5, "symbols": 0.5, "context": 0.3, "code": 0.3}
PLACE_FIELDS = {"title": "title", "def": "symbols", "code": "code", "eq": "formula"}

EVERYTHING = Or(tuple(Term("kind", kind) for kind in KINDS))


def is_short(query: Query) -> bool:
    """Whether a query is looked up as a whole first, and titles weigh more."""
    return len(query.wanted) <= SHORT_QUERY


def clauses(query: Query, lexicon: Lexicon) -> list[Node]:
    """One node for each word, phrase or known name that is wanted."""
    made: list[Node] = []
    wanted = query.wanted
    while wanted:
        name = _leading_name(wanted, lexicon)
        if name and not _is_meant(wanted[:name], query):
            name = 0
        if name:
            made.append(_named(wanted[:name], lexicon))
        elif query.latex and _is_plain(wanted[0]):
            made.append(_typeset(wanted[0], lexicon))
        else:
            made.append(_word(wanted[0], lexicon))
        wanted = wanted[max(name, 1) :]
    return [node for node in made if not _is_empty(node)]


def request(
    nodes: Many[Node], query: Query, lexicon: Lexicon, *, every: bool
) -> Request:
    """Ask for all nodes (`every`) or any of them; without nodes for all documents."""
    joint = (And if every else Or)(tuple(nodes)) if nodes else EVERYTHING
    unwanted = [_word(word, lexicon) for word in query.unwanted]
    unwanted = [node for node in unwanted if not _is_empty(node)]
    return Request(
        wanted=joint if len(nodes) != 1 else nodes[0],
        weights=SHORT_WEIGHTS if every and is_short(query) else LONG_WEIGHTS,
        excluded=Or(tuple(unwanted)) if unwanted else None,
        seconds=settings.SEARCH_SECONDS,
    )


def _leading_name(words: Many[Word], lexicon: Lexicon) -> int:
    """How many of the first words make a name with synonyms; 0 for none."""
    plain = 0
    while plain < min(len(words), LONGEST_NAME) and _is_plain(words[plain]):
        plain += 1
    for length in range(plain, 0, -1):
        key = analysis.name_key(" ".join(word.text for word in words[:length]))
        if key in lexicon.synonyms:
            return length
    return 0


def _is_meant(words: Many[Word], query: Query) -> bool:
    """Not so for a common word among others: "can we" is no question about CAN."""
    if not all(analysis.is_common(word.text) for word in words):
        return True
    common = [word for word in query.wanted if analysis.is_common(word.text)]
    return len(common) == len(words)


def _is_plain(word: Word) -> bool:
    return type(word) is Word and not word.place


def _named(words: Many[Word], lexicon: Lexicon) -> Node:
    """The name as typed, or any other name of the same thing."""
    if all(analysis.is_common(word.text) for word in words):
        words = [replace(word, text=word.text.upper()) for word in words]
    typed = [_word(word, lexicon) for word in words]
    typed = [node for node in typed if not _is_empty(node)]
    key = analysis.name_key(" ".join(word.text for word in words))
    others = [_side_by_side("text", name) for name in lexicon.synonyms[key]]
    named = (And(tuple(typed)), *others)
    return Or(tuple(node for node in named if not _is_empty(node)))


def _word(word: Word, lexicon: Lexicon) -> Node:
    if word.place == "eq":
        return _equation(word.text)
    fields = [PLACE_FIELDS[word.place]] if word.place else ["text", "title"]
    if isinstance(word, Phrase):
        return Or(tuple(_side_by_side(field, word.text) for field in fields))
    if isinstance(word, Prefix):
        full = (analysis.terms_of(each)[:1] for each in lexicon.completions(word.text))
        known = dict.fromkeys(term for found in full for term in found)
        return Or(tuple(Term(field, term) for term in known for field in fields))
    return _identifier(word, lexicon)


def _typeset(word: Word, lexicon: Lexicon) -> Node:
    """A word of a formula; a single letter says something only there."""
    held = Or(_held(word.text))
    return held if len(word.text) == 1 else Or((held, _word(word, lexicon)))


def _held(text: str) -> tuple[Term, ...]:
    return tuple(Term("formula", term) for term in formula.terms(text))


def _equation(text: str) -> Node:
    """All of a formula's terms, or an equation's own name as "InfoNCE"."""
    held = And(_held(text))
    called = tuple(Term("title", term) for term in analysis.terms(text))
    if not called:
        return held
    return Or((held, And((Term("kind", "equation"), *called))))


def _identifier(word: Word, lexicon: Lexicon) -> Node:
    """The whole identifier, or all its parts; a plain word is its own whole."""
    whole, *parts = analysis.terms_of(word.text) or [""]
    if not whole:
        return Or(())
    found = _anywhere(word.place, whole, lexicon)
    if parts:
        if not word.place:
            found = Or((*found.nodes, Term("code", whole)))
        each = tuple(_anywhere(word.place, part, lexicon) for part in parts)
        found = Or((*found.nodes, And(each)))
    return found


def _anywhere(place: str, term: str, lexicon: Lexicon) -> Or:
    """The term in its place; without one in the text and all fields that know it."""
    if place:
        return Or((Term(PLACE_FIELDS[place], term),))
    fields = ["text", *(f for f, known in lexicon.rare_terms.items() if term in known)]
    return Or(tuple(Term(field, term) for field in fields))


def _side_by_side(field: str, text: str) -> Node:
    found = tuple(analysis.terms(text))
    if len(found) > 1:
        return Sequence(field, found)
    return Or(tuple(Term(field, term) for term in found))


def _is_empty(node: Node) -> bool:
    if isinstance(node, And | Or):
        return not node.nodes or all(_is_empty(child) for child in node.nodes)
    return False
