"""Names of people in the parts that reference managers ask for."""

from __future__ import annotations

from dataclasses import dataclass

from bibtexparser.middlewares.names import parse_single_name_into_parts


@dataclass(frozen=True)
class Person:
    """particle: `van der`, which stays with the family name and does not sort."""

    given: str
    particle: str
    family: str

    @property
    def inverted(self) -> str:
        """`van der Maaten, Laurens`"""
        family = f"{self.particle} {self.family}".strip()
        return f"{family}, {self.given}" if self.given else family


def person(name: str) -> Person:
    """The parts of a name, by BibTeX's rules; a name of one word is a family's."""
    parts = parse_single_name_into_parts(name, strict=False)
    given, von, last = (" ".join(p) for p in (parts.first, parts.von, parts.last))
    return Person(given, von, last)


def in_order(name: str) -> str:
    """`Maaten, Laurens van der` or any other order, as it is spoken."""
    parts = parse_single_name_into_parts(name, strict=False)
    return " ".join([*parts.first, *parts.von, *parts.last, *parts.jr])
