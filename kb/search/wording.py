"""What was understood of a query, in one plain sentence."""

from __future__ import annotations

from collections.abc import Mapping

from kb.search import analysis, language
from kb.search.language import Filter, Phrase, Prefix, Query, Word

PLACES = {
    "title": "{} in a title", "def": "{} defined in code", "code": "{} in code",
    "eq": "{} in an equation", "": "{}",
}
HAS = {"demo": "a demo", "code": "code", "golden": "golden cases"}
CHECKED = {
    "code": "others’ code", "formulas": "formulas alone",
    "mixed": "others’ code and formulas",
}


def label(facet: str, value: str) -> str:
    """A value of a facet in words."""
    return {"has": HAS, "checked": CHECKED}.get(facet, {}).get(value, value)


def sentence(
    query: Query, corrected: Mapping[str, str], *, loosened: bool, complete: bool
) -> str:
    """One or a few sentences: what was looked for, corrected, loosened or cut short."""
    said = [_looked_for(query)]
    for typed, known in corrected.items():
        said.append(f"Nothing here says “{typed}”, so this shows “{known}”.")
    said += [f"{note[:1].upper()}{note[1:]}." for note in query.notes]
    if query.wanted and not any(analysis.terms(word.text) for word in query.wanted):
        said.append("Such common words are not indexed; add a rarer one.")
    if loosened:
        said.append("Few places have all of it, so places with a part of it follow.")
    if not complete:
        said.append("The search took too long and was stopped: some hits are missing.")
    return " ".join(filter(None, said))


def _looked_for(query: Query) -> str:
    if not (query.words or query.filters):
        return ""
    telling = [w for w in query.wanted if not analysis.is_common(w.text)]
    wanted = listed([_word(word) for word in telling or query.wanted]) or "everything"
    unwanted = listed([_word(word) for word in query.unwanted], "or")
    held = [_filter(each) for each in query.filters]
    pieces = [wanted, f"without {unwanted}" if unwanted else "", *held]
    return f"Looking for {', '.join(filter(None, pieces))}."


def _word(word: Word) -> str:
    quoted = f"“{word.text}”"
    if isinstance(word, Phrase):
        quoted = f"the phrase {quoted}"
    if isinstance(word, Prefix):
        quoted = f"words that begin with {quoted}"
    return PLACES[word.place].format(quoted)


def _filter(wanted: Filter) -> str:
    negation = "not " if wanted.negated else ""
    if wanted.name == "year":
        return f"{negation}{_years(wanted.value)}"
    if wanted.name == "has":
        joint = "without" if wanted.negated else "with"
        return f"{joint} {HAS.get(wanted.value, wanted.value)}"
    if wanted.name == "checked":
        return f"{negation}checked against {CHECKED.get(wanted.value, wanted.value)}"
    phrases = {
        "author": "by “{}”", "part": "in {}", "family": "of the family {}",
        "tag": "tagged “{}”", "kind": "of the kind {}",
    }
    return negation + phrases[wanted.name].format(wanted.value)


def _years(value: str) -> str:
    first, last = language.years(value) or (0, 9999)
    if first == last:
        return f"of {first}"
    if first == 0:
        return f"up to {last}"
    return f"since {first}" if last == 9999 else f"from {first} to {last}"


def listed(parts: list[str], joint: str = "and") -> str:
    """Parts as they are said: "a, b and c"."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {joint} {parts[-1]}"
