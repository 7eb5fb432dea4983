"""`manage.py check` reads every concept and names what would leave readers stranded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from rapidfuzz import process

from kb.catalogue.code import Module
from kb.catalogue.library import Library, library
from kb.catalogue.problems import Problem
from kb.connections import texts
from kb.connections.concepts import Concept, concepts

KEYS = ("title", "names", "landmarks", "related", "answers")
LISTS = KEYS[1:]


@register()
def concepts_are_sound(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Errors in concepts; a warning for one that no entry links to.

    Looking for landmarks parses every module, so concepts that were found sound are
    remembered by their texts and by those of the library.
    """
    known, shelves = concepts(), library()
    remembered, state = settings.VAR_DIR / "sound_concepts", _state(known, shelves)
    found: list[CheckMessage] = []
    if not remembered.is_file() or remembered.read_text() != state:
        found += [
            Error(str(problem), hint=problem.remedy, id="connections.E001")
            for problem in problems(known, shelves, _modules())
        ]
        if not found:
            remembered.write_text(state)
    return found + [
        Warning(str(problem), hint=problem.remedy, id="connections.W001")
        for problem in unlinked(known, shelves)
    ]


def problems(
    known: Mapping[str, Concept], shelves: Library, modules: Iterable[Module]
) -> Iterator[Problem]:
    """What is wrong in front matter, patterns and texts."""
    places = [(m.name, mark.symbol, mark.name) for m in modules for mark in m.landmarks]
    whole = not any(paper.unread for paper in shelves.papers.values())
    for concept in known.values():
        found: list[Problem] = []

        def report(
            line: int, message: str, remedy: str,
            path: Path = concept.entry.path, found: list[Problem] = found,
        ) -> None:
            found.append(Problem(path, line, message, remedy))

        texts.render(concept, shelves, report)
        yield from concept.entry.problems  # those of reading the file
        yield from found
        yield from _front_matter(concept)
        yield from _strangers(concept, known)
        if whole:  # what is missing may stand in a module that cannot be read
            yield from _lost_patterns(concept, places)


def unlinked(known: Mapping[str, Concept], shelves: Library) -> Iterator[Problem]:
    """Concepts that no entry links to."""
    sources = "\n".join(
        section.source for paper in shelves.papers.values()
        for section in paper.entry.sections
    )
    for name, concept in known.items():
        if f"](concept:{name})" not in sources:
            remedy = f"write [{concept.title.lower()}](concept:{name}) where it matters"
            yield Problem(concept.entry.path, 1, "no entry links to it", remedy)


def _front_matter(concept: Concept) -> Iterator[Problem]:
    meta, path = concept.entry.meta, concept.entry.path
    for key in meta:
        if key not in KEYS:
            near = process.extractOne(key, KEYS, score_cutoff=60)
            remedy = f"did you mean {near[0]!r}? " if near else ""
            remedy += f"keys are {', '.join(KEYS)}"
            yield Problem(path, 1, f"unknown front matter key {key!r}", remedy)
    for key in ("title", "names"):
        if not meta.get(key):
            yield Problem(path, 1, f"front matter has no {key!r}", f"add `{key}:`")
    for key in LISTS:
        if key in meta and not isinstance(meta[key], list):
            yield Problem(path, 1, f"{key} is no list", f"write `{key}: [a, b]`")


def _strangers(concept: Concept, known: Mapping[str, Concept]) -> Iterator[Problem]:
    """Other concepts that do not exist."""
    for name in dict.fromkeys((*concept.related, *concept.answers)):
        if name not in known or name == concept.name:
            near = process.extractOne(name, known.keys() - {concept.name})
            remedy = f"did you mean {near[0]!r}?" if near else "leave it out"
            yield Problem(
                concept.entry.path, 1, f"no other concept {name!r}", remedy
            )


def _lost_patterns(
    concept: Concept, places: Iterable[tuple[str, str, str]]
) -> Iterator[Problem]:
    for pattern in concept.patterns:
        if not any(pattern.fits(*place) for place in places):
            yield Problem(
                concept.entry.path, 1, f"no landmark is {pattern.text!r}",
                "name one: `stop-gradient`, or `byol/*#stop-gradient` for one module",
            )


def _modules() -> list[Module]:
    """Every reference module, also those whose entry is still to be written.

    One that Python cannot read is left out: the check of its entry says where.
    """
    found = map(Module, sorted(settings.IMPLS_DIR.glob("*.py")))
    return [module for module in found if module.fault is None]


def _state(known: Mapping[str, Concept], shelves: Library) -> str:
    """Changes with concepts, papers, modules, and the package that reads them."""
    digest = hashlib.sha256(shelves.fingerprint.encode())
    files = [concept.entry.path for concept in known.values()]
    files += sorted(settings.IMPLS_DIR.glob("*.py"))
    files += sorted(Path(__file__).parent.glob("*.py"))
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()
