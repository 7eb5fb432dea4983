"""Which paper a heading, a sentence or a link names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kb.exchange.notes import known as knowledge
from kb.exchange.notes.known import Known
from kb.exchange.notes.words import FIELD_STEMS, only_field_words, runs, tokens

# `s-DINO` is not DINO, nor is DINOv4; `SimCLR's` and ViTs are what they seem.
BEFORE, AFTER = r"(?<![\w-])", r"(?:s|['’]s)?(?!\w|[\s-]?v\d|\s(?:II|III|IV)\b)"
# A name and one of these is still the name: the LARS optimizer.
KINDS = frozenset(
    tokens("optimizer optimiser loss method network networks algorithm paper model")
)
SHORTEST = 3  # a name of so many letters counts only as it is written: CAN, not can
LONGEST_WITH_NAME = 5  # words; a heading with more is a sentence that names a paper


class Names:
    """The papers by all their names. New ones are added while files are read."""

    def __init__(self, papers: Iterable[Known]) -> None:
        self.papers: dict[str, Known] = {}
        for paper in papers:
            self.papers[paper.slug] = paper
        self._index()

    def add(self, paper: Known) -> Known:
        """Takes in a paper that the library does not have."""
        self.papers[paper.slug] = paper
        self._index()
        return paper

    def _index(self) -> None:
        # Earlier papers win a name that two of them have, and titles win over aliases.
        self._exact: dict[str, tuple[str, str]] = {}
        self._written: dict[str, str] = {}
        for rank in (_first_names, _further_names):
            for paper in self.papers.values():
                for name in rank(paper):
                    self._exact.setdefault(_key(name), (name, paper.slug))
                    self._written.setdefault(name, paper.slug)
        for slug in self.papers:  # as words, too plain to be looked for in sentences
            spoken = slug.replace("_", " ")
            self._exact.setdefault(_key(spoken), (spoken, slug))
        names = sorted(self._written, key=len, reverse=True)
        self._groups = [self._written[name] for name in names]
        rows = "|".join(f"({_pattern(name)})" for name in names)
        self._anywhere = re.compile(f"{BEFORE}(?:{rows}){AFTER}") if rows else None
        self._by_run: dict[str, set[str]] = {}
        for paper in self.papers.values():
            for _, _, run in runs(tokens(paper.title), 1):
                self._by_run.setdefault(run, set()).add(paper.slug)

    def exact(self, text: str) -> str | None:
        """The paper that this text is a name of, alone or with a word for its kind."""
        words = text.strip(" *_:.?!").split()
        for count in range(len(words), max(len(words) - 2, 0), -1):
            name = " ".join(words[:count])
            rest = tokens(" ".join(words[count:]))
            written, slug = self._exact.get(_key(name), ("", None))
            tiny = len(written) <= SHORTEST and written not in name
            if slug and not tiny and all(word in KINDS for word in rest):
                return slug
        return None

    def in_heading(self, heading: str) -> tuple[str | None, bool]:
        """(slug, whether the heading is its name and nothing else)."""
        text = re.sub(r"^\d+\.?\s+", "", heading)
        parts = [text, *re.split(r":\s+|\s+[-–—|]\s+", text)]
        # What stands behind the colon is the closer name: "Distillation: BYOL".
        for part in (parts[0], *reversed(parts)):
            if slug := self.exact(part):
                return slug, True
        run, length = self._title_run(text)
        named, span = self._longest(text)
        return (run if length > span else named), False

    def _title_run(self, text: str) -> tuple[str | None, int]:
        """The one title that shares a run of words with the text, and its letters."""
        words = tokens(text)
        for start, end, joined in runs(words, 2):
            slugs = self._by_run.get(joined, set())
            run = words[start:end]
            if len(slugs) == 1 and not all(word in FIELD_STEMS for word in run):
                return next(iter(slugs)), len(joined)
        return None, 0

    def covers(self, heading: str, slug: str) -> bool:
        """Whether a run of the title is all that a heading says beside field words."""
        words = tokens(heading)
        for start, end, joined in runs(words, 2):
            if slug in self._by_run.get(joined, set()):
                rest = words[:start] + words[end:]
                return end - start > 2 or all(word in FIELD_STEMS for word in rest)
        return False

    def topic(self, heading: str) -> str | None:
        """The paper a heading is about, not one whose title it shares a few words with.

        A name may stand in a short heading; a run of words must be all it says.
        """
        slug, whole = self.in_heading(heading)
        if slug is None or whole or self.covers(heading, slug):
            return slug
        short = len(heading.split()) <= LONGEST_WITH_NAME and "," not in heading
        return slug if short and slug in dict(self.mentions(heading)) else None

    def _longest(self, text: str) -> tuple[str | None, int]:
        found = [(len(name), slug) for slug, name in self.mentions(text)]
        length, slug = max(found, default=(0, None), key=lambda one: one[0])
        return slug, length

    def mentions(self, text: str) -> Iterator[tuple[str, str]]:
        """(slug, name as written) of every name in a text, in its order."""
        for match in self._anywhere.finditer(text) if self._anywhere else ():
            yield self._groups[(match.lastindex or 1) - 1], match[0]

    def by_arxiv(self, text: str) -> str | None:
        """The paper whose arXiv number stands in the text."""
        numbers = set(knowledge.ARXIV.findall(text))
        same = (p.slug for p in self.papers.values() if p.arxiv in numbers)
        return next(same, None)

    def by_title(
        self, title: str, authors: Iterable[str] = (), year: int | None = None
    ) -> str | None:
        """The paper of a reference."""
        people = list(authors)
        for paper in self.papers.values():
            if knowledge.same_paper(paper, title, people, year):
                return paper.slug
        return None


def _first_names(paper: Known) -> Iterator[str]:
    yield paper.title
    if paper.short:
        yield paper.short
    head, colon, _ = paper.title.partition(":")
    if colon and len(head.split()) <= 6:
        yield head


def _further_names(paper: Known) -> Iterator[str]:
    yield from (a for a in paper.aliases if _key(a) and not only_field_words(a))


def _key(name: str) -> str:
    return "".join(tokens(name))


def _pattern(name: str) -> str:
    """Spaces and hyphens may come and go; one word, or letters, keep their capitals."""
    spaced = re.sub(r"(?<=[a-zA-Z])(?=[vV]\d\b)", " ", name)
    pieces = [re.escape(piece) for piece in re.split(r"[\s_-]+", spaced) if piece]
    if max(map(len, pieces), default=0) <= SHORTEST:  # C-A-N, k-NN
        return r"[\s_-]?".join(pieces)
    text = r"[\s_-]*".join(pieces)
    return text if len(pieces) == 1 else f"(?i:{text})"
