"""LaTeX to MathML on the server: a formula needs no script in the browser."""

from __future__ import annotations

import re

from django.utils.safestring import SafeString, mark_safe
from math_core import LatexError, LatexToMathML

__all__ = ["ATTRIBUTES", "TAGS", "LatexError", "mathml"]

# What math-core writes, for the sanitiser.
TAGS = frozenset({
    "math", "menclose", "merror", "mfrac", "mi", "mmultiscripts", "mn", "mo", "mover",
    "mpadded", "mphantom", "mprescripts", "mroot", "mrow", "mspace", "msqrt", "mstyle",
    "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr", "munder", "munderover",
})
ATTRIBUTES = frozenset({
    "accent", "accentunder", "class", "depth", "display", "displaystyle", "form",
    "height", "largeop", "linethickness", "lspace", "mathvariant", "maxsize", "minsize",
    "movablelimits", "notation", "rspace", "scriptlevel", "stretchy", "symmetric",
    "voffset", "width",
})

STYLE = re.compile(r' style="([^"]*)"')


def mathml(latex: str, *, display: bool) -> SafeString:
    """One formula as a `<math>` element. Raises LatexError with the reason.

    Cells of aligned equations carry the classes `left`, `right` and `gap`, because the
    site's Content-Security-Policy allows no style attributes.
    """
    # A converter is not shared between threads: it locks itself and would raise.
    converter = LatexToMathML(fancy_error=False)
    html = converter.convert_with_local_state(latex, displaystyle=display)
    return mark_safe(STYLE.sub(_as_class, html))  # noqa: S308  math-core escapes text


def _as_class(style: re.Match[str]) -> str:
    css = style[1].replace(" ", "")
    names = [side for side in ("left", "right") if f"text-align:{side}" in css]
    if "padding-left:1em" in css:
        names.append("gap")
    return f' class="{" ".join(names)}"' if names else ""
