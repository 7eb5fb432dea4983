"""What the templates of references need to know."""

from django import template

from kb.catalogue import bibtex

register = template.Library()


@register.filter
def venue_kind(venue: str) -> str:
    """conference, journal or preprint."""
    return bibtex.kind(venue)
