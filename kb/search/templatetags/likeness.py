"""More like this, for the page of a paper."""

from __future__ import annotations

from typing import Any

from django import template

from kb.catalogue.papers import Paper
from kb.search.index import alike

register = template.Library()


@register.inclusion_tag("search/_alike.html")
def more_like_this(paper: Paper) -> dict[str, Any]:
    """`search/_alike.html`; papers: the most alike, best first; may be empty."""
    return {"papers": alike(paper)}
