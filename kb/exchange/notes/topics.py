"""Slides and lectures: a paper is named once, and the next slides go on about it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kb.exchange.notes import links, placed, references
from kb.exchange.notes.names import Names
from kb.exchange.notes.passages import Passage, plain
from kb.exchange.notes.placed import Placed
from kb.exchange.notes.words import only_field_words

# What is about no paper, though the one before it may go on afterwards.
ASIDE = re.compile(
    r"^(table of )?contents\b|^(overview|outline|agenda|motivation|introduction|"
    r"disclaimer|conclusions?|summary|references|bibliography|thanks|thank you|"
    r"questions|intuitions?|next time|next week|acknowledge?ments?|lecture)\b|"
    r"\brecap\b",
    re.I,
)
ITEM = re.compile(r"^\s*[-*•]\s+")


def names_topic(heading: str, names: Names) -> bool:
    """Whether a short line names a paper, or says that something else begins."""
    if ASIDE.search(heading) or only_field_words(heading):
        return True
    return names.topic(heading) is not None


def assign(passages: list[Passage], names: Names) -> list[Placed]:
    """Places all passages of a file, slide by slide."""
    found: list[Placed] = []
    topic: str | None = None
    for passage in passages:
        if passage.is_front_matter:
            found.append(Placed(passage, None, placed.FRONT))
            continue
        topic, pieces = _place(passage, topic, names)
        found += pieces
    return _same_headings(found)


def _place(
    passage: Passage, topic: str | None, names: Names
) -> tuple[str | None, list[Placed]]:
    """(topic of the slides to come, this slide's pieces)."""
    heading = plain(passage.heading)
    slug = names.topic(heading)
    if slug:
        return slug, [Placed(passage, slug, "its heading names it")]
    if references.HEADING.match(heading):
        return topic, [Placed(passage, None, placed.CITED_ONLY)]
    own = dict(_linked(passage, names))
    if ASIDE.search(heading) or len(set(own.values())) > 1:
        rest = None if ASIDE.search(heading) else topic
        return topic, _split(passage, own | dict(_items(passage, names)), rest)
    if own:
        slug = next(iter(own.values()))
        return slug, [Placed(passage, slug, "a link in it is to the paper")]
    if label := _label(passage, names):
        return label, [Placed(passage, label, "a label in it names the paper")]
    if only_field_words(heading):
        topic = None
    if topic:
        return topic, [Placed(passage, topic, "goes on about the paper before")]
    slug = next((slug for slug, _ in names.mentions(passage.text)), None)
    why = "the first paper that it names" if slug else placed.UNNAMED
    if only_field_words(heading) and not slug:
        why = placed.GENERAL
    return slug, [Placed(passage, slug, why)]


def _linked(passage: Passage, names: Names) -> Iterator[tuple[int, str]]:
    """(line, paper) of each link to a paper, new ones included."""
    heading = plain(passage.heading)
    title = "" if ASIDE.search(heading) else heading
    for link in links.in_lines(passage.body, passage.body_first):
        slug = links.meant(link, names)
        if slug is None and (paper := links.new_paper(link, title, names)):
            slug = names.add(paper).slug
        if slug:
            yield link.line, slug


def _items(passage: Passage, names: Names) -> Iterator[tuple[int, str]]:
    """(line, paper) of each item that is a paper's name and nothing else."""
    for number, line in enumerate(passage.body, start=passage.body_first):
        if ITEM.match(line) and (slug := names.exact(ITEM.sub("", line))):
            yield number, slug


def _label(passage: Passage, names: Names) -> str | None:
    """The paper of a line such as `Triplet loss:`."""
    labels = (line.strip() for line in passage.body if line.rstrip().endswith(":"))
    return next((slug for label in labels if (slug := names.exact(label))), None)


def _split(passage: Passage, own: dict[int, str], rest: str | None) -> list[Placed]:
    why = "goes on about the paper before" if rest else placed.GENERAL
    return [
        Placed(piece, own[piece.first], "this line names the paper")
        if piece.first in own and not piece.heading else Placed(piece, rest, why)
        for piece in passage.split(sorted(own))
    ]


def _same_headings(found: list[Placed]) -> list[Placed]:
    """A slide without a paper joins the next slide of the same heading."""
    after: dict[str, str | None] = {}
    settled: list[Placed] = []
    for one in reversed(found):
        heading = plain(one.passage.heading)
        if one.slug is None and one.why == placed.UNNAMED and after.get(heading):
            one = Placed(one.passage, after[heading], "as the next slide so named")
        if heading:
            after[heading] = one.slug
        settled.append(one)
    return settled[::-1]
