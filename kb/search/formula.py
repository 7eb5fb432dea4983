"""Formulas into index terms: `\\tau`, τ and tau are one term."""

from __future__ import annotations

import re

from kb.search.analysis import fold, stem

# Commands that set type and say nothing about the formula.
SETTING = """frac tfrac dfrac left right big bigl bigr bigg biggl biggr Big Bigl Bigr
Bigg Biggl Biggr mathrm mathbf mathcal mathbb mathsf boldsymbol bm text textrm textbf
operatorname limits nolimits quad qquad displaystyle textstyle underbrace overbrace
begin end label tag"""
LAYOUT = frozenset(SETTING.split())
ENVIRONMENTS = {"aligned", "align", "cases", "matrix", "pmatrix", "bmatrix", "gathered"}
SPELLED = {
    "lVert": "norm", "rVert": "norm", "Vert": "norm", "mid": "given",
    "sg": "stopgrad",
    "varepsilon": "epsilon", "vartheta": "theta", "varphi": "phi", "nabla": "gradient",
}

_STOP_GRADIENT = re.compile(r"\bstop[-\s_]*grad(?:ient)?s?\b", re.IGNORECASE)
_TOKEN = re.compile(r"\\?[^\W\d_]+|\d+(?:\.\d+)?")


def tokens(latex: str) -> list[str]:
    """Commands, letters and numbers of a formula in reading order, layout left out.

    >>> tokens(r"\\frac{z_i \\cdot z_j}{\\tau}")
    ['z', 'i', 'cdot', 'z', 'j', 'tau']
    """
    found = []
    for token in _TOKEN.findall(_STOP_GRADIENT.sub("stopgrad", latex)):
        name = fold(token.removeprefix("\\"))
        if name in ENVIRONMENTS or (token.startswith("\\") and name in LAYOUT):
            continue
        found.append(SPELLED.get(name, name).lower())
    return found


def terms(text: str) -> list[str]:
    """Index terms of LaTeX or of the words for it: `\\tau` and "temperatures" alike."""
    return [stem(token) for token in tokens(text)]
