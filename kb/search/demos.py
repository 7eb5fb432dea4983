"""Demos as places: what can be tried, opened at the form that runs it.

Each is one place, on the paper of its example, however many papers offer it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from demos.specs import CASES, DEMOS, FAMILIES, Demo
from kb.search.place import Document, inside

if TYPE_CHECKING:
    from kb.catalogue.library import Library

# Who wants to see something run speaks of the network and the picture in many words.
TRY = "Try it out: a demo that runs"
WITH_MODEL = " a trained network, or model,"
ON_PICTURE = " on a picture, photo or image of your own"

# What is asked for by who does not know its name.
OTHERWISE = {"attention": "Which parts of the picture the network looks at."}


def documents(library: Library, papers: Mapping[str, Document]) -> Iterator[Document]:
    """A place for each demo that a paper here offers. papers: by slug."""
    about = {demo.name: family for family, every in FAMILIES.items() for demo in every}
    for demo in DEMOS.values():
        slug = _best(demo, library)
        if slug and CASES not in demo.needs:
            yield _demo(papers[slug], demo, about[demo.name])


def _best(demo: Demo, library: Library) -> str:
    """The paper of its example, else the first that offers it; "" where none does."""
    offering = [slug for slug, paper in library.papers.items() if demo in paper.demos]
    return demo.example if demo.example in offering else next(iter(offering), "")


def _demo(whole: Document, demo: Demo, family: str) -> Document:
    short = whole.paper[0]
    tried = TRY + WITH_MODEL * bool(demo.model) + ON_PICTURE * bool(demo.images[1])
    said = [demo.summary, f"{family}.", f"{tried}."]
    if demo.name in OTHERWISE:
        said.append(OTHERWISE[demo.name])
    if demo.options:
        labels = ", ".join(option.label or option.name for option in demo.options)
        said.append(f"Options: {labels}.")
    return inside(
        whole, "demo", demo.name, id=f"demo:{demo.name}",
        title=f"{short}: {demo.title}", section="", heading=f"{demo.title}, demo",
        body="\n".join(said),
        names=(demo.title, f"{demo.title} demo", f"{short} {demo.title}",
               f"{short} demo"),
        hint=0.6,
    )
