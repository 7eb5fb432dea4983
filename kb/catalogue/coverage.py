"""How much of a paper's code its text explains."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from kb.catalogue.papers import Paper


@dataclass(frozen=True)
class Coverage:
    """Of one paper with code, or of several together.

    equations, linked: how many it has, how many name the lines that compute them
    lines, explained: lines that are not blank, and those that some text points to
    silent: classes and functions that no link of the text touches
    """

    equations: int = 0
    linked: int = 0
    lines: int = 0
    explained: int = 0
    silent: tuple[str, ...] = ()

    def __add__(self, other: Coverage) -> Coverage:
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Coverage(*(mine + others for mine, others in pairs))


def of(paper: Paper) -> Coverage:
    """Renders the entry and reads the module. A paper without code covers nothing."""
    pointed = set(paper.pointing)
    module = paper.module
    source = enumerate(module.lines, start=1) if module else ()
    written = {number for number, line in source if line.strip()}
    silent = tuple(
        symbol.name for symbol in (module.outline if module else [])
        if not symbol.name.startswith("_")
        and pointed.isdisjoint(range(symbol.first, symbol.last + 1))
    )
    return Coverage(
        len(paper.equations), sum(bool(e.first) for e in paper.equations),
        len(written), len(written & pointed), silent,
    )
