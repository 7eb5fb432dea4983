"""No link of the whole site is dead, and no anchor: everything is visited once."""

from __future__ import annotations

from collections import deque
from html.parser import HTMLParser
from urllib.parse import parse_qsl, unquote, urldefrag, urljoin, urlsplit

import pytest
from django.test import Client

# Leave to others: sent by forms, endless, or not ours.
FORMS = ("/compare/?", "/search/?")


class Page(HTMLParser):
    """The links of a page, and the places that can be linked to."""

    def __init__(self, text: str):
        super().__init__()
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif name in ("href", "src") and value:
                self.links.add(value)


def kind(url: str) -> tuple[str, frozenset[str]]:
    """Lists that are narrowed in thousands of ways are visited once for each way."""
    parts = urlsplit(url)
    keys = frozenset(key for key, _ in parse_qsl(parts.query))
    # Every pair has the same few views of its code: one pair stands for all.
    is_view = parts.path.startswith("/compare/") and keys
    return "/compare/" if is_view else parts.path, keys


@pytest.mark.django_db
def test_no_link_of_the_site_is_dead(client: Client) -> None:
    pages: dict[str, Page | None] = {}
    wanted: list[tuple[str, str, str]] = []  # from, to, anchor
    waiting, seen = deque(["/"]), {kind("/")}
    while waiting:
        url = waiting.popleft()
        answer = client.get(url)
        assert answer.status_code in (200, 302), f"{url} answers {answer.status_code}"
        is_page = answer.headers.get("Content-Type", "").startswith("text/html")
        answer_text = answer.content.decode() if is_page and not answer.streaming else ""
        pages[url] = page = Page(answer_text) if answer_text else None
        for link in sorted(page.links) if page else ():
            target, anchor = urldefrag(urljoin(url, link))
            if urlsplit(target).netloc or urlsplit(target).scheme:
                continue
            wanted.append((url, target, unquote(anchor)))
            if kind(target) not in seen and not target.startswith(("/static/", *FORMS)):
                seen.add(kind(target))
                waiting.append(target)
    dead = [
        f"{source} links to {target}#{anchor}"
        for source, target, anchor in wanted
        if anchor and (page := pages.get(target)) and anchor not in page.ids
    ]
    assert not dead, "\n".join(dead[:20])
    assert len([url for url in pages if url.startswith("/papers/")]) > 38
