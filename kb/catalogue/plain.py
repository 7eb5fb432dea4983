"""The words of safe HTML, for search and for short descriptions."""

from __future__ import annotations

import html
import re

TAG = re.compile(r"<[^>]*>")
SILENT = re.compile(r'<figure class="equation".*?</figure>|<svg.*?</svg>', re.DOTALL)


def plain(safe: str) -> str:
    """The words of HTML, without its equations on display and its drawings."""
    text = TAG.sub("", SILENT.sub("", safe))
    return re.sub(r"\s+", " ", html.unescape(text)).strip()
