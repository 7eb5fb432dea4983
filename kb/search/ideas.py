"""Concepts as places: one for each text of `papers/concepts/`, under all its names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kb.catalogue.plain import plain
from kb.connections import texts
from kb.connections.concepts import Concept, concepts
from kb.search.place import Document

if TYPE_CHECKING:
    from kb.catalogue.library import Library


def documents(library: Library) -> Iterator[Document]:
    """Every concept, with what its text says."""
    for concept in concepts().values():
        yield _concept(concept, plain(texts.lesson(concept, library)))


def _concept(concept: Concept, said: str) -> Document:
    names = (concept.title, *concept.names)
    return Document(
        id=f"concept:{concept.name}", kind="concept", slug=concept.name, anchor="",
        title=concept.title, section="", heading=" ".join(names), body=said,
        names=names,
    )
