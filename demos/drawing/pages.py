"""Words as a picture: paragraphs that wrap, and code that does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from demos.drawing.pictures import GROUND, PADDING, TEXT, font

WIDTH, LETTER = 640, 25  # legible when a phone shows the page at half its size
LEADING = 1.3            # of a line, times its letters


@dataclass(frozen=True)
class Paragraph:
    """Some words in one colour. above: pixels left free in front of it.

    wraps: whether what is too long goes on in the next line or is cut off.
    """

    text: str
    ink: str = TEXT
    size: int = LETTER
    above: int = 4
    wraps: bool = True

    def lines(self, width: float) -> Iterator[str]:
        """The text in lines of at most this width."""
        for line in self.text.splitlines():
            yield from wrapped(line, self.size, width) if self.wraps else [
                cut(line, self.size, width)
            ]


def wrapped(text: str, size: int, width: float) -> Iterator[str]:
    """Lines as full as they can be; a word that is too long keeps its own."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and font(size).getlength(longer) > width:
            yield line
            longer = word
        line = longer
    yield line


def cut(text: str, size: int, width: float) -> str:
    """The text, its end replaced by dots where it is too long."""
    if font(size).getlength(text) <= width:
        return text
    while font(size).getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


def page(paragraphs: Sequence[Paragraph]) -> Image.Image:
    """All paragraphs, one below the other."""
    room = WIDTH - 2 * PADDING
    set_ = [(one, list(one.lines(room))) for one in paragraphs]
    tall = sum(one.above + len(ls) * round(LEADING * one.size) for one, ls in set_)
    canvas = Image.new("RGB", (WIDTH, tall + 2 * PADDING), GROUND)
    draw, y = ImageDraw.Draw(canvas), PADDING
    for one, lines in set_:
        y += one.above
        for line in lines:
            draw.text((PADDING, y), line, one.ink, font(one.size))
            y += round(LEADING * one.size)
    return canvas
