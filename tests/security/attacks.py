"""Notes as an enemy would write them, and what of them must never reach a page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import yaml

RUN = "window.pwned=1"
PAYLOADS = (
    f"<script>{RUN}</script>",
    f"<SCRIPT SRC=data:text/javascript,{RUN}></SCRIPT>",
    f'<img src=x onerror="{RUN}">',
    f"<img src=x onerror={RUN}//",
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f'<svg><a xlink:href="javascript:{RUN}"><text y=20>x</text></a></svg>',
    f'<math><mtext><table><mglyph><style><img src=x onerror="{RUN}">',
    f'<math href="javascript:{RUN}">x</math>',
    f"<math><annotation-xml encoding=text/html><img src=x onerror={RUN}></annotation-xml></math>",
    f"<body onload={RUN}>",
    f"<details open ontoggle={RUN}>x</details>",
    f"<video><source onerror={RUN}></video>",
    f"<input autofocus onfocus={RUN}>",
    f'<iframe srcdoc="<script>parent.{RUN}</script>"></iframe>',
    f'<object data="javascript:{RUN}"></object>',
    f'<embed src="javascript:{RUN}">',
    f'<form action="javascript:{RUN}"><button>x</button></form>',
    f'<button formaction="javascript:{RUN}" form=search>x</button>',
    f'<a href="javascript:{RUN}">x</a>',
    f'<a href="JaVaScRiPt:{RUN}">x</a>',
    f'<a href="&#106;avascript:{RUN}">x</a>',
    f'<a href="java\tscript:{RUN}">x</a>',
    f'<a href=" javascript:{RUN}">x</a>',
    f'<a href="data:text/html,<script>{RUN}</script>">x</a>',
    f'<a href="vbscript:{RUN}">x</a>',
    f"[x](javascript:{RUN})",
    f"[x](<javascript:{RUN}>)",
    f"[x](&#x6A;avascript:{RUN})",
    "[x](data:text/html;base64,PHNjcmlwdD4)",
    f"[x][evil]\n\n[evil]: javascript:{RUN}",
    f"<javascript:{RUN}>",
    f'![x" onerror="{RUN}](x.png)',
    f"![x](javascript:{RUN})",
    f'![x](x.png "t\\" onerror=\\"{RUN}")',
    f"[[<img src=x onerror={RUN}>]]",
    f"[[x|<img src=x onerror={RUN}>]]",
    f"[x](code:<img src=x onerror={RUN}>)",
    f"[x](paper:<img src=x onerror={RUN}>)",
    f"$\\text{{<img src=x onerror={RUN}>}}$",
    f"$$\n\\text{{</math><script>{RUN}</script>}}\n$$",
    f"$\\href{{javascript:{RUN}}}{{x}}$",
    f"```\n</code></pre><script>{RUN}</script>\n```",
    f"`<script>{RUN}</script>`",
    f"<style>@import 'javascript:{RUN}';</style>",
    f'<p style="background:url(javascript:{RUN})">x</p>',
    '<link rel=stylesheet href="data:text/css,x">',
    f'<meta http-equiv=refresh content="0;url=javascript:{RUN}">',
    '<base href="https://evil.example/">',
    f"<!--><script>{RUN}</script>-->",
    f"<noscript><p title='</noscript><img src=x onerror={RUN}>'>",
    f"<template><script>{RUN}</script></template>",
    f"</main></body><script>{RUN}</script>",
    f"⟦drawing 1⟧<script>{RUN}</script>",
    f"**Why <img src=x onerror={RUN}>?** Because.",
    f'| a" onmouseover="{RUN} | b |\n|---|---|\n| <script>{RUN}</script> | c |',
    f'<p id="x" hx-get="/" hx-on:load="{RUN}" data-hx-on="load:{RUN}">x</p>',
)
WORD = f"zebra <img src=x onerror={RUN}> \"' onmouseover={RUN} </title></script><script>{RUN}</script>"
NAMES = ("<img src=x onerror=pwned>.md", "' onmouseover='x.md", "a..md", "\u202egnp.md", "javascript:1.md")


def write_notes(folder: Path) -> int:
    """One note for each payload, one of front matter and some of names; how many."""
    for number, payload in enumerate(PAYLOADS):
        (folder / f"attack_{number}.md").write_text(f"# zebra {payload}\n\nzebra {payload}\n\n## h {payload}\n\nzebra\n")
    front = {
        "title": WORD, "short": WORD, "authors": [WORD, {"name": WORD}], "venue": WORD, "arxiv": f"javascript:{RUN}",
        "code": f"javascript:{RUN}", "tags": [WORD], "aliases": [WORD], "family": WORD, "part": WORD, "follows": [WORD],
        "year": f"2020<script>{RUN}</script>", WORD: WORD,
    }
    (folder / "front.md").write_text(f"---\n{yaml.safe_dump(front)}---\n\nzebra {WORD}\n")
    for name in NAMES:
        (folder / name).write_text(f"zebra {WORD}\n")
    return len(PAYLOADS) + 1 + len(NAMES)


class Dangers(HTMLParser):
    """Collects whatever in a page could run, load or send."""

    FORBIDDEN = frozenset(("iframe", "object", "embed", "base", "style", "frame", "applet", "foreignobject"))
    ADDRESSES = frozenset(("href", "src", "action", "formaction", "xlink:href", "data", "poster", "srcset"))
    SCHEMES = ("http:", "https:", "mailto:")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one tag."""
        given = {name: value or "" for name, value in attrs}
        said = self.get_starttag_text() or ""
        own = given.get("src", "").startswith("/static/")
        wrong = [
            tag in self.FORBIDDEN,
            tag == "script" and not own and given.get("type") != "application/json",
            tag == "meta" and "http-equiv" in given,
            "style" in given, "srcdoc" in given,
            any(name.startswith(("on", "hx-on", "data-hx-on")) for name in given),
            any(self.leads_astray(value) for name, value in given.items() if name in self.ADDRESSES),
        ]
        if any(wrong):
            self.found.append(said)

    def leads_astray(self, address: str) -> bool:
        """A scheme that is not one of ours, as a browser would read it."""
        plain = re.sub(r"[\t\r\n]|^[\0- ]+", "", address).lower()
        scheme, colon, _ = plain.partition(":")
        return bool(colon) and scheme.isalpha() and not plain.startswith(self.SCHEMES)


def dangers(page: str) -> list[str]:
    """The tags of the page that must not be in it."""
    parser = Dangers()
    parser.feed(page)
    return parser.found
