"""Which column of the map a paper stands in: right of everything it builds on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kb.connections.graph import Edge


def columns(nodes: Sequence[str], edges: Iterable[Edge]) -> dict[str, int]:
    """Node -> column, from 0, by the longest way of imports there.

    What a paper answers counts where its code builds on nothing: answers alone would
    draw the map out. Edges that would close a circle are left out. A paper that builds
    on nothing stands just left of the first that builds on it.
    """
    forward = _without_circles(nodes, _telling(list(edges)))
    before: dict[str, list[str]] = {node: [] for node in nodes}
    after: dict[str, list[str]] = {node: [] for node in nodes}
    for edge in forward:
        before[edge.target].append(edge.source)
        after[edge.source].append(edge.target)
    column: dict[str, int] = {}
    for node in _in_order(nodes, before):
        column[node] = max((column[other] + 1 for other in before[node]), default=0)
    for node in nodes:
        if after[node] and not before[node]:
            column[node] = min(column[other] for other in after[node]) - 1
    return column


def _telling(edges: list[Edge]) -> list[Edge]:
    building = {edge.target for edge in edges if edge.kind == "imports"}
    return [e for e in edges if e.kind == "imports" or e.target not in building]


def _without_circles(nodes: Sequence[str], edges: Iterable[Edge]) -> list[Edge]:
    """Greedy: an edge is kept unless its source can be reached from its target.

    Imports come first: what code needs is certain.
    """
    after: dict[str, list[str]] = {node: [] for node in nodes}
    kept: list[Edge] = []
    for edge in sorted(edges, key=lambda edge: edge.kind != "imports"):
        if not _reaches(after, edge.target, edge.source):
            after[edge.source].append(edge.target)
            kept.append(edge)
    return kept


def _reaches(after: dict[str, list[str]], start: str, goal: str) -> bool:
    waiting, seen = [start], {start}
    while waiting:
        node = waiting.pop()
        if node == goal:
            return True
        fresh = [other for other in after[node] if other not in seen]
        seen.update(fresh)
        waiting += fresh
    return False


def _in_order(nodes: Sequence[str], before: dict[str, list[str]]) -> list[str]:
    """Every node behind all that it builds on, else in the order given."""
    order: list[str] = []
    placed: set[str] = set()
    while len(order) < len(nodes):
        ready = [
            node for node in nodes
            if node not in placed and placed.issuperset(before[node])
        ]
        order += ready
        placed.update(ready)
    return order
