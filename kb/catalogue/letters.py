"""The symbols table of an entry: which letters an equation uses, and what they are."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kb.catalogue.formulas import LatexError, mathml

# Commands that only dress the letter in their braces: \mathcal{D}, \hat{x}.
DRESS = re.compile(
    r"\\(?:math(?:bf|cal|bb|rm|sf|it|frak)|bm|boldsymbol|hat|bar|tilde|vec|text|"
    r"operatorname\*?)\s*\{([^{}]*)\}"
)
GREEK = re.compile(
    r"\\(?:var)?(?:alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu"
    r"|xi|pi|rho|sigma|tau|upsilon|phi|chi|psi|omega|ell|nabla)",
    re.IGNORECASE,
)
END = "⟩"  # stands behind letters that came out of one pair of braces
ATOM = re.compile(rf"\\[a-zA-Z]+|[a-zA-Z]+(?={END})|[a-zA-Z]")
INLINE = re.compile(r"\$([^$]+)\$")


@dataclass(frozen=True)
class Word:
    """One row: the paper's letter (LaTeX and MathML), our variable, shape, meaning."""

    letter: str
    mathml: str
    variable: str
    shape: str
    meaning: str


def atoms(latex: str) -> list[str]:
    r"""The letters of a formula in order: `\mathcal{D}(p_1)` gives D, p.

    Several letters in one pair of braces, as in `\operatorname{stopgrad}`, are one.
    """
    undressed, dressed = 1, latex
    while undressed:  # from the inside out: \hat{\mathbf{x}}
        dressed, undressed = DRESS.subn(lambda m: f" {m[1].strip()}{END} ", dressed)
    found = ATOM.findall(dressed)
    return [atom for atom in found if atom[0] != "\\" or GREEK.fullmatch(atom)]


def symbols_table(source: str) -> list[Word]:
    """The rows of the table with a column `variable` and a column `shape`."""
    rows: list[Word] = []
    inside = False
    for line in source.splitlines():
        cells = [c.strip() for c in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if not line.lstrip().startswith("|"):
            inside = False
        elif {"variable", "shape"} <= {c.lower() for c in cells}:
            inside = True
        elif inside and len(cells) >= 4 and (letter := INLINE.search(cells[0])):
            rows.append(_word(cells, letter[1]))
    return rows


def _word(cells: list[str], letter: str) -> Word:
    variable, shape = (c.replace("`", "") for c in cells[1:3])
    try:
        shown = "".join(mathml(tex, display=False) for tex in INLINE.findall(cells[0]))
    except LatexError:
        shown = ""  # reported where the table itself is rendered
    return Word(letter, shown, variable, shape, cells[3])


def words_of(latex: str, table: list[Word]) -> list[Word]:
    """The rows whose first letter occurs in the formula."""
    used = set(atoms(latex))
    return [word for word in table if set(atoms(word.letter)[:1]) & used]
