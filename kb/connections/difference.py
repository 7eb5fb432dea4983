"""Two stretches of code side by side: which lines are the same, which answer which."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from rapidfuzz import fuzz

from kb.connections.lines import Line

ALIKE = 55  # per cent; below it two lines have nothing to do with each other
ASSIGNED = re.compile(r"\s*([\w.]+)\s*[:=]")
CONTEXT = 3  # equal lines that stay open on each side of a difference
# Pairing within one stretch compares every line with every other.
MOST_COMPARISONS = 300_000


@dataclass(frozen=True)
class Row:
    """A line of each side; None where the other side has nothing that answers it."""

    left: Line | None
    right: Line | None

    @property
    def same(self) -> bool:
        both = self.left is not None and self.right is not None
        return both and self.left.text == self.right.text  # type: ignore[union-attr]


@dataclass(frozen=True)
class Stretch:
    """Neighbouring rows that are all the same, or all differ. folded: shut at first."""

    rows: list[Row]
    same: bool
    folded: bool


def rows(left: Sequence[Line], right: Sequence[Line]) -> list[Row]:
    """Every line of both sides once, in order."""
    texts = [line.text for line in left], [line.text for line in right]
    found: list[Row] = []
    matcher = SequenceMatcher(_means_little, *texts, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            found += map(Row, left[a:b], right[c:d])
        else:
            found += _paired(left[a:b], right[c:d])
    return found


def _means_little(text: str) -> bool:
    """A blank line or a bracket never starts a match: it would tear blocks apart."""
    return not text.strip(" )]},:")


def _paired(left: Sequence[Line], right: Sequence[Line]) -> list[Row]:
    """Lines that are alike meet, in order, so that their likeness sums to the most."""
    pairs: list[tuple[int, int]] = []
    if len(left) * len(right) <= MOST_COMPARISONS:
        pairs = _best_pairs([line.text for line in left], [line.text for line in right])
    found: list[Row] = []
    a = b = 0
    for i, j in [*pairs, (len(left), len(right))]:
        found += [Row(line, None) for line in left[a:i]]
        found += [Row(None, line) for line in right[b:j]]
        if i < len(left):
            found.append(Row(left[i], right[j]))
        a, b = i + 1, j + 1
    return found


def _best_pairs(left: list[str], right: list[str]) -> list[tuple[int, int]]:
    """Needleman-Wunsch with likeness as the score and no price for gaps."""
    width = len(right)
    best = [[0.0] * (width + 1) for _ in range(len(left) + 1)]
    alike = [[_likeness(a, b) for b in right] for a in left]
    for i in range(len(left) - 1, -1, -1):
        row, below = best[i], best[i + 1]
        for j in range(width - 1, -1, -1):
            row[j] = max(below[j], row[j + 1], below[j + 1] + alike[i][j])
    return list(_walk(best, alike))


def _likeness(left: str, right: str) -> float:
    """Per cent of letters in common; 0 where that says nothing.

    Lines that set the same name belong together, whatever they set it to.
    """
    if not left or not right:
        return 1.0 if left == right else 0.0  # blank lines may meet
    names = ASSIGNED.match(left), ASSIGNED.match(right)
    if names[0] and names[1] and names[0][1] == names[1][1]:
        return 150.0
    return fuzz.ratio(left.strip(), right.strip(), score_cutoff=ALIKE)


def _walk(
    best: list[list[float]], alike: list[list[float]]
) -> Iterator[tuple[int, int]]:
    i = j = 0
    while i < len(alike) and j < len(best[0]) - 1:
        if alike[i][j] and best[i][j] == best[i + 1][j + 1] + alike[i][j]:
            yield i, j
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1


def stretches(aligned: Sequence[Row]) -> list[Stretch]:
    """Rows in groups; the middle of a long equal run is folded."""
    groups: list[list[Row]] = []
    for row in aligned:
        if groups and groups[-1][0].same == row.same:
            groups[-1].append(row)
        else:
            groups.append([row])
    found: list[Stretch] = []
    for position, group in enumerate(groups):
        if not group[0].same:
            found.append(Stretch(group, same=False, folded=False))
            continue
        before = CONTEXT if position else 0
        after = CONTEXT if position < len(groups) - 1 else 0
        found += _folded(group, before, after)
    return found


def _folded(group: list[Row], before: int, after: int) -> Iterator[Stretch]:
    """An equal run with its middle shut, where that hides more than it costs."""
    middle = group[before : len(group) - after]
    if len(middle) < 4:
        yield Stretch(group, same=True, folded=False)
        return
    if before:
        yield Stretch(group[:before], same=True, folded=False)
    yield Stretch(middle, same=True, folded=True)
    if after:
        yield Stretch(group[len(group) - after :], same=True, folded=False)
