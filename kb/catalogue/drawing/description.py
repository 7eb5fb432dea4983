"""What a drawing shows, read from `papers/figures/<slug>_<what>.toml`.

A description names nodes on a grid and the arrows between them; where a line runs and
how large a box is follows from that, so that all drawings look alike.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NODES = ("data", "net", "frozen", "op", "loss", "note", "grid", "bars")
ARROWS = ("flow", "slow", "stop", "pull", "push")
CELLS = "#+-.x"
NODE_KEYS = {"id", "at", "kind", "text", "code", "rows", "values"}
ARROW_KEYS = {"from", "to", "kind", "text"}


class DescriptionError(ValueError):
    """The description cannot be drawn; the text says what to change."""


@dataclass(frozen=True)
class Node:
    """A thing at a place of the grid (column, row; halves are allowed).

    code: the lines that it stands for, as in a link (`Symbol#landmark`); may be empty
    rows: cells of a `grid`; values: heights of the `bars`, from 0 to 1
    """

    id: str
    at: tuple[float, float]
    kind: str
    text: str = ""
    code: str = ""
    rows: tuple[str, ...] = ()
    values: tuple[float, ...] = ()

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n") if self.text else []


@dataclass(frozen=True)
class Arrow:
    """A line from one node to another."""

    start: str
    end: str
    kind: str = "flow"
    text: str = ""


@dataclass(frozen=True)
class Description:
    """A whole drawing. alt: what it shows, for those who cannot see it."""

    title: str
    alt: str
    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]

    @property
    def codes(self) -> list[str]:
        """What its nodes stand for, each once."""
        return list(dict.fromkeys(node.code for node in self.nodes if node.code))

    @property
    def words(self) -> list[str]:
        """What is written in it, each text once."""
        written = [" ".join(node.lines) for node in self.nodes]
        written += [arrow.text for arrow in self.arrows]
        return [text for text in dict.fromkeys(written) if text]


def read(path: Path) -> Description:
    """The description in a file. Raises DescriptionError with the remedy."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DescriptionError(f"is no TOML: {error}") from None
    return parse(raw)


def parse(raw: Mapping[str, Any]) -> Description:
    """Checks everything a person can get wrong, and says what to write instead."""
    _known(raw, {"title", "alt", "node", "arrow"}, "the drawing")
    for key in ("title", "alt"):
        if not isinstance(raw.get(key), str) or not raw[key].strip():
            raise DescriptionError(f"has no {key!r}: add `{key} = \"…\"`")
    nodes = tuple(_node(node) for node in raw.get("node", []))
    if not nodes:
        raise DescriptionError("has no [[node]]: add one")
    names = [node.id for node in nodes]
    for name in names:
        if names.count(name) > 1:
            raise DescriptionError(f"has two nodes {name!r}: give one another id")
    arrows = tuple(_arrow(arrow, names) for arrow in raw.get("arrow", []))
    return Description(raw["title"].strip(), raw["alt"].strip(), nodes, arrows)


def _known(raw: Mapping[str, Any], keys: set[str], what: str) -> None:
    for key in raw:
        if key not in keys:
            raise DescriptionError(
                f"{what} has an unknown key {key!r}: keys are {', '.join(sorted(keys))}"
            )


def _node(raw: Mapping[str, Any]) -> Node:
    what = f"node {raw.get('id', '?')!r}"
    _known(raw, NODE_KEYS, what)
    at, kind = raw.get("at"), raw.get("kind")
    if not isinstance(raw.get("id"), str):
        raise DescriptionError(f"{what} has no id: add `id = \"name\"`")
    if not (isinstance(at, list) and len(at) == 2 and all(map(_number, at))):
        raise DescriptionError(f"{what} is nowhere: add `at = [column, row]`")
    if kind not in NODES:
        raise DescriptionError(f"{what} is a {kind!r}: kinds are {', '.join(NODES)}")
    rows, values = tuple(raw.get("rows", ())), tuple(raw.get("values", ()))
    for problem in _contents(kind, rows, values):
        raise DescriptionError(f"{what} {problem}")
    return Node(
        raw["id"], (float(at[0]), float(at[1])), kind, raw.get("text", ""),
        raw.get("code", ""), rows, values,
    )


def _number(value: object) -> bool:
    return isinstance(value, int | float) and value >= 0


def _contents(
    kind: str, rows: tuple[str, ...], values: tuple[float, ...]
) -> Iterator[str]:
    if (kind == "grid") != bool(rows):
        yield "needs `rows`, as only a grid does"
    if (kind == "bars") != bool(values):
        yield "needs `values`, as only bars do"
    if len({len(row) for row in rows}) > 1:
        yield "has rows of different lengths: make them equal"
    if set("".join(rows)) - set(CELLS):
        yield f"has an unknown cell: cells are {' '.join(CELLS)}"
    if not all(_number(value) and value <= 1 for value in values):
        yield "has a bar outside 0 to 1: scale the values"


def _arrow(raw: Mapping[str, Any], names: list[str]) -> Arrow:
    start, end, kind = raw.get("from", ""), raw.get("to", ""), raw.get("kind", "flow")
    what = f"arrow {start!r} to {end!r}"
    _known(raw, ARROW_KEYS, what)
    for name in (start, end):
        if name not in names:
            raise DescriptionError(f"{what}: no node {name!r}; ids are {names}")
    if kind not in ARROWS:
        raise DescriptionError(f"{what} is a {kind!r}: kinds are {', '.join(ARROWS)}")
    return Arrow(start, end, kind, raw.get("text", ""))
