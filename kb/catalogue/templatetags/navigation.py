"""Where one is, for the links on top of every page."""

from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag(takes_context=True)
def current(context: dict[str, Any], page: str, *beneath: str) -> SafeString:
    """The attribute of a link that says: you are on its page, or on one beneath it.

    page, beneath: names of addresses. Empty anywhere else, and where nothing was found.
    """
    match = getattr(context.get("request"), "resolver_match", None)
    name = match.view_name if match else ""
    if name not in (page, *beneath):
        return SafeString("")
    return format_html(' aria-current="{}"', "page" if name == page else "true")
