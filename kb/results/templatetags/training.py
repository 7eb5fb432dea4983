"""What a paper's own small training came to, for its page."""

from __future__ import annotations

from typing import Any

from django import template

from kb.catalogue.papers import Paper
from kb.results.budget import budget

register = template.Library()


@register.inclusion_tag("results/_trained.html")
def trained_here(paper: Paper) -> dict[str, Any]:
    """`results/_trained.html`; row: the paper's, or None; others: how many."""
    found = budget()
    others = sum(not row.is_control for row in found.rows) - 1
    return {"row": found.of(paper.slug), "others": others}
