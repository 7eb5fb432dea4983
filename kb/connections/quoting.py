"""A part of one page shown on another."""

from __future__ import annotations

import re

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from kb.catalogue.papers import Paper, Section

IDENTITY = re.compile(r' (?:id|data-lines)="[^"]*"')


def quoted(paper: Paper, section: Section) -> SafeString:
    """A section whose links lead to its own page; ids stay there, they are unique."""
    url = reverse("catalogue:paper", args=[paper.slug])
    html = IDENTITY.sub("", section.html).replace('href="#', f'href="{url}#')
    return mark_safe(html)  # noqa: S308  the sanitiser's output, attributes removed


def idea(paper: Paper) -> list[SafeString]:
    """Its TL;DR and its key idea, those that it has."""
    found = (paper.section(name) for name in ("tldr", "key-idea"))
    return [quoted(paper, section) for section in found if section]
