"""Ideas that several papers share: `papers/concepts/<name>.md`.

Front matter: title; names (words and aliases); landmarks (names of landmark comments
that are this idea); related and answers (other concepts). The body teaches.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from pathlib import Path

from django.conf import settings

from kb.catalogue import entries, metadata
from kb.catalogue.entries import Entry

FOLDER = "concepts"


@dataclass(frozen=True)
class Pattern:
    """`negatives` in any module, or `moco*/MoCo.*#moving average` in some of them.

    `*` and `?` stand for anything, as in a file name.
    """

    text: str

    def fits(self, slug: str, symbol: str, name: str) -> bool:
        if "#" in self.text:
            return fnmatchcase(f"{slug}/{symbol}#{name}", self.text)
        return fnmatchcase(name, self.text)


@dataclass(eq=False)
class Concept:
    """One text. name: the file's stem, which is also its address."""

    entry: Entry
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.entry.path.stem

    @cached_property
    def title(self) -> str:
        return metadata.text(self.entry.meta, "title") or self.name.replace("_", " ")

    @cached_property
    def names(self) -> list[str]:
        return metadata.words(self.entry.meta, "names")

    @cached_property
    def patterns(self) -> list[Pattern]:
        return [Pattern(text) for text in metadata.words(self.entry.meta, "landmarks")]

    @cached_property
    def related(self) -> list[str]:
        """Names of other concepts; some may not exist."""
        return metadata.words(self.entry.meta, "related")

    @cached_property
    def answers(self) -> list[str]:
        """Concepts that this one weighs against each other, in a table of papers."""
        return metadata.words(self.entry.meta, "answers")

    def fits(self, slug: str, symbol: str, name: str) -> bool:
        """Whether a landmark is this idea."""
        return any(pattern.fits(slug, symbol, name) for pattern in self.patterns)

    def means(self, word: str) -> bool:
        """Whether a tag or alias is one of its names, however it is hyphenated."""
        return folded(word) in {folded(name) for name in self.names}


def folded(word: str) -> str:
    return entries.slugify(word, " ")


def concepts() -> dict[str, Concept]:
    """Every concept of the folder in the settings, by title; read again on a change."""
    found = sorted((settings.PAPERS_DIR / FOLDER).glob("*.md"))
    return _read(tuple((path, path.stat().st_mtime_ns) for path in found))


@lru_cache(maxsize=2)
def _read(files: tuple[tuple[Path, int], ...]) -> dict[str, Concept]:
    read = [Concept(entries.read(path)) for path, _ in files]
    return {c.name: c for c in sorted(read, key=lambda c: c.title.casefold())}
