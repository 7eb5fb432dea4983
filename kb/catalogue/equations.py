"""Markdown's part for formulas: `$$ … $$ {code=Symbol#landmark}` and `$…$`."""

from __future__ import annotations

import html
import re
from xml.etree import ElementTree as etree

from markdown import Markdown
from markdown.blockprocessors import BlockProcessor
from markdown.inlinepatterns import InlineProcessor

from kb.catalogue import formulas
from kb.catalogue.formulas import LatexError
from kb.catalogue.letters import words_of
from kb.catalogue.sink import Equation, Sink


class DisplayMath(BlockProcessor):
    """A block from a line starting with `$$` to the next `$$`."""

    OPEN = re.compile(r"(?m)^ {0,3}\$\$")
    WHOLE = re.compile(r"(?ms)^ {0,3}\$\$(.+?)\$\$[ \t]*(?:\{([^\n]*)\}[ \t]*)?$")

    def __init__(self, md: Markdown, sink: Sink):
        super().__init__(md.parser)
        self.stash, self.sink = md.htmlStash, sink

    def test(self, parent: etree.Element, block: str) -> bool:
        return bool(self.OPEN.search(block))

    def run(self, parent: etree.Element, blocks: list[str]) -> bool:
        """Takes one equation, which may hold blank lines; gives the rest back."""
        for count in range(1, len(blocks) + 1):
            found = self.WHOLE.search(text := "\n\n".join(blocks[:count]))
            if found:
                break
        else:
            self.sink.report("$$", "`$$` is never closed", "close it with another `$$`")
            return False
        del blocks[:count]
        if before := text[: found.start()].strip("\n"):
            self.parser.parseBlocks(parent, [before])
        figure = self._figure(found[1].strip(), _attribute(found[2] or ""))
        etree.SubElement(parent, "p").text = self.stash.store(figure)
        if after := text[found.end() :].strip("\n"):
            blocks.insert(0, after)
        return True

    def _figure(self, latex: str, target: str) -> str:
        sink, needle = self.sink, latex.split("\n")[0]
        lines = sink.around.lines(target) if target else None
        if target and not lines:
            sink.report_code(f"code={target}", f"no code {target!r}", target)
        if not target and sink.must_link:
            remedy = "close it with `$$ {code=Symbol#landmark}`"
            sink.report(needle, "equation without code", remedy)
        shown = _mathml(sink, latex, display=True)
        number = len(sink.equations) + 1
        first, last = (lines.first, lines.last) if lines else (0, 0)
        words = words_of(latex, sink.table)
        equation = Equation(
            number, latex, shown, target, first, last, sink.section.id, words
        )
        sink.equations.append(equation)
        return _figure_html(equation)


def _attribute(text: str) -> str:
    """X of `code=X`; other attributes (Quarto's labels) mean nothing here."""
    found = re.match(r"\s*code\s*=\s*(.+?)\s*$", text)
    return found[1].strip("\"'") if found else ""


def _mathml(sink: Sink, latex: str, *, display: bool) -> str:
    """MathML; LaTeX that cannot be rendered stays readable as source."""
    try:
        return formulas.mathml(latex, display=display)
    except LatexError as error:
        needle = latex.split("\n")[0]
        sink.report(needle, f"LaTeX: {error}", "use commands that math-core knows")
        return f'<code class="dead">{html.escape(latex)}</code>'


def _figure_html(equation: Equation) -> str:
    first, last, target = equation.first, equation.last, html.escape(equation.target)
    data, caption = "", ""
    if first:
        where = f"line {first}" if first == last else f"lines {first}–{last}"
        data = f' data-lines="{first}-{last}"'
        caption = f'<a href="#L{first}">{target} · {where}</a>'
    elif target:
        caption = f'<span class="dead">{target}</span>'
    caption = f"<figcaption>{caption}</figcaption>" if caption else ""
    return (
        f'<figure class="equation" id="{equation.id}" tabindex="0"{data}>'
        f"{equation.mathml}{caption}</figure>"
    )


class InlineMath(InlineProcessor):
    """`$…$` by Pandoc's rules: no blank inside the dollars, no digit behind them."""

    RULE = r"(?<![\\$])\$(?![\s$])((?:\\.|[^$\\\x02])+?)(?<!\s)\$(?![\d$])"

    def __init__(self, md: Markdown, sink: Sink):
        super().__init__(self.RULE, md)
        self.sink = sink

    def handleMatch(  # type: ignore[override]
        self, m: re.Match[str], data: str
    ) -> tuple[str, int, int]:
        shown = _mathml(self.sink, m[1], display=False)
        return self.md.htmlStash.store(shown), m.start(0), m.end(0)
