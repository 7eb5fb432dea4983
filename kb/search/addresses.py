"""Where a place is opened."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote, urlencode

from django.urls import reverse

from kb.search import numbers
from kb.search.place import Document


def address(document: Document, words: str = "") -> str:
    """The page at the document's place; `?h=` tells it what to mark."""
    if document.kind == "result":
        return numbers.address(document, words)
    if document.kind == "demo":
        return reverse("runs:new", args=[document.slug, document.anchor])
    page = "connections:concept" if document.kind == "concept" else "catalogue:paper"
    url = _page(page, document.slug)
    if words:
        url += f"?{urlencode({'h': words})}"
    return f"{url}#{quote(document.anchor)}" if document.anchor else url


@lru_cache(maxsize=4096)
def _page(name: str, slug: str) -> str:
    return reverse(name, args=[slug])
