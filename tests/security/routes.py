"""Every address of the site as its own table has it, with words that are good there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver

CAPTURE = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")
STATIC = ("static/site.css", "static/../kb/settings.py", "static/%2e%2e/kb/settings.py", "nowhere", "", ".env", "admin/", "var/secret_key")
GOOD = {
    "slug": ("mae", "vit", "dino", "MAE"), "a": ("byol",), "b": ("simsiam",),
    "demo": ("attention", "reconstruction", "pretraining", "verify"), "path": ("papers/", "x"),
}


@dataclass(frozen=True)
class Route:
    """A pattern, and for each word that it captures what is good in its place."""

    pattern: str
    captures: dict[str, tuple[str, ...]]

    def path(self, **words: str) -> str:
        """The address with these words in it."""
        filled = CAPTURE.sub(lambda found: words[found[1] or found[2]], self.pattern)
        return "/" + filled.replace("^", "").replace("$", "")


def patterns(resolver: URLResolver | None = None, before: str = "") -> Iterator[str]:
    """All patterns of the address table, in full."""
    for one in (resolver or get_resolver("kb.urls")).url_patterns:
        whole = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from patterns(one, whole)
        elif isinstance(one, URLPattern):
            yield whole


def good(name: str, run_ids: tuple[str, ...]) -> tuple[str, ...]:
    """What stands well in the place of a captured word."""
    if name == "name":
        return ("mae_pipeline.svg", "stop_gradient", "result.json", "picture.png")
    return run_ids if name == "run_id" else GOOD.get(name, ("x",))


def routes(*run_ids: str) -> list[Route]:
    """All of them, and addresses that are none."""
    found = [
        Route(pattern, {
            name: good(name, run_ids)
            for pair in CAPTURE.findall(pattern) for name in pair if name
        })
        for pattern in dict.fromkeys(patterns())
    ]
    return found + [Route(path, {}) for path in STATIC]
