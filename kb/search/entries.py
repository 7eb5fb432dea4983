"""Documents into the finished terms that an engine stores."""

from __future__ import annotations

from kb.search import analysis, formula
from kb.search.documents import Document, formula_words
from kb.search.engine import Entry


def entry(document: Document) -> Entry:
    """One document, analysed field by field."""
    fields = {
        "kind": [document.kind],
        "title": analysis.terms(document.heading),
        "text": analysis.terms(text(document)),
        "context": analysis.terms(context(document)),
        "symbols": analysis.terms(" ".join(document.symbols)),
        "code": analysis.terms(document.code),
        "formula": formula.terms(document.formula),
    }
    return Entry(fields)


def text(document: Document) -> str:
    """What the place itself says."""
    parts = [document.heading, document.body, document.section, formula_words(document)]
    if document.kind == "paper":
        parts += [*document.names, *document.authors, document.part, str(document.year)]
        parts += [*document.tags, document.family]
    return "\n".join(parts)


def context(document: Document) -> str:
    """What the paper around the place is called and about.

    So "byol loss" finds the loss on BYOL's page though no sentence there says BYOL.
    """
    if document.kind == "paper":
        return ""
    return "\n".join([*document.paper, *document.tags, document.family])
