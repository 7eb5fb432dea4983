"""Every demo by family, each with a result that was made ahead: the page of demos."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.text import slugify

from demos.specs import FAMILIES, Demo
from kb.catalogue.library import Paper, library
from kb.runs.examples import Example, example_of


@dataclass(frozen=True)
class Card:
    """A demo; the papers that offer it, the one of its example first."""

    demo: Demo
    papers: list[Paper]
    example: Example | None

    @property
    def picture(self) -> dict | None:
        """The example's first picture: file, alt, caption."""
        return self.example.pictures[0] if self.example else None


@dataclass(frozen=True)
class Family:
    """What some demos have in common, and these."""

    title: str
    cards: list[Card]

    @property
    def id(self) -> str:
        """Its place on the page."""
        return slugify(self.title)

    @property
    def reach(self) -> tuple[bool, int]:
        """Whether there is something to see, and how many papers offer it."""
        papers = {paper.slug for card in self.cards for paper in card.papers}
        return any(card.picture for card in self.cards), len(papers)


def families() -> list[Family]:
    """The families of demos that papers here offer, those of most papers first.

    What shows no picture made earlier, such as checks, comes last.
    """
    every = (
        Family(title, [card for card in map(card_of, demos) if card.papers])
        for title, demos in FAMILIES.items()
    )
    offered = [family for family in every if family.cards]
    return sorted(offered, key=lambda family: family.reach, reverse=True)


def card_of(demo: Demo) -> Card:
    """The demo with what the library has for it."""
    papers = [paper for paper in library().papers.values() if demo in paper.demos]
    example = example_of(demo.name, papers[0].slug) if papers else None
    first = example.paper if example else ""
    return Card(demo, sorted(papers, key=lambda paper: paper.slug != first), example)
