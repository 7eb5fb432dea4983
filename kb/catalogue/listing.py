"""A module's source as HTML: numbered lines, highlighted, small."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from functools import cache
from html import escape

from pygments.lexers import PythonLexer
from pygments.token import STANDARD_TYPES, Name, Operator, Punctuation, Text, Whitespace
from pygments.token import _TokenType as TokenType

# Most of a listing is plain names and brackets: without spans of their own the page is
# a third of its size.
PLAIN = {Text, Whitespace, Punctuation, Operator, Name}


@cache
def css_class(kind: TokenType) -> str:
    """Pygments' short class of a token; of its nearest named ancestor; or none."""
    while kind not in STANDARD_TYPES:
        kind = kind.parent  # type: ignore[assignment]
    return "" if kind in PLAIN else STANDARD_TYPES[kind]


def highlight(source: str) -> list[str]:
    """One piece of HTML per line of source; tokens over several lines are split."""
    lines: list[list[tuple[str, str]]] = [[]]
    for kind, value in PythonLexer(stripnl=False).get_tokens(source):
        name = css_class(kind)
        for number, part in enumerate(value.split("\n")):
            if number:
                lines.append([])
            if part:
                _append(lines[-1], name, part)
    count = len(source.splitlines())
    return ["".join(_span(name, text) for name, text in line) for line in lines[:count]]


def _append(line: list[tuple[str, str]], name: str, text: str) -> None:
    """Adds a token; neighbours of one class become one span."""
    if line and line[-1][0] == name:
        line[-1] = (name, line[-1][1] + text)
    else:
        line.append((name, text))


def _span(name: str, text: str) -> str:
    safe = escape(text, quote=False)
    return f'<span class="{name}">{safe}</span>' if name else safe


def render(
    lines: Iterable[str], anchors: Mapping[int, str], told: Container[int]
) -> str:
    """The whole listing.

    lines: HTML of each line. anchors: line number -> symbol defined there.
    told: numbers of the lines that some text points to.
    """
    return "\n".join(
        _line(number, html, anchors.get(number, ""), number in told)
        for number, html in enumerate(lines, start=1)
    )


def _line(number: int, html: str, symbol: str, told: bool) -> str:
    kind = "line told" if told else "line"
    anchor = f' id="def-{escape(symbol)}"' if symbol else ""
    # Out of the tab order: hundreds of stops would keep a keyboard reader here.
    return (
        f'<div class="{kind}" id="L{number}">'
        f'<a href="#L{number}" tabindex="-1">{number}</a>'
        f"<code{anchor}>{html}</code></div>"
    )
