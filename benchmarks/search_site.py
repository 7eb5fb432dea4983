"""The site over an index of its own, and the engine under it alone."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.search_figures import times
from kb.search import generations, service
from kb.search.documents import Document
from kb.search.engine import Engine, Ranking, Request
from kb.search.generations import Generation


@dataclass(frozen=True)
class OneIndex:
    """Stands where the site's own index stands, and answers from another."""

    current: Generation

    def generation(self) -> Generation:
        return self.current


def answer_from(index: Generation) -> None:
    service.live_index = lambda: OneIndex(index)  # type: ignore


def build(documents: list[Document], engine: str, root: Path) -> Generation:
    with generations.writer_lock(root):
        return generations.write(root, documents, engine)


def built(
    documents: list[Document], engine: str, root: Path
) -> tuple[Generation, float]:
    """The index of an earlier run or a new one, and the seconds that it took."""
    took = root / "seconds"
    there = generations.open_current(root)
    if there and there.hash == generations.content_hash(documents, engine):
        return there, float(took.read_text())
    started = time.perf_counter()
    made = build(documents, engine, root)
    seconds = time.perf_counter() - started
    took.write_text(str(seconds))
    return made, seconds


class Site:
    """The site over one engine's index; `row` says what building it took."""

    def __init__(self, documents: list[Document], engine: str, builds: Path) -> None:
        from django.test import Client

        root = builds / f"{engine}-{len(documents)}"
        self.index, seconds = built(documents, engine, root)
        # The engine's own, without what all engines share.
        files = (f for f in self.index.folder.iterdir()
                 if f.suffix not in (".json", ".npz"))
        size = sum(file.stat().st_size for file in files)
        self.client = Client()
        self.engine = Listening(self.index.engine)
        self.index.engine = self.engine
        self.ms: dict[str, list[float]] = defaultdict(list)
        self.row: dict[str, Any] = {
            "docs": len(documents), "engine": engine, "build_s": round(seconds, 1),
            "mb": round(size / 1e6, 1), "cut": 0,
        }

    def ask(self, text: str) -> list[str]:
        """The slugs of the first page. Counts answers cut short."""
        answer_from(self.index)
        answer = self.client.get("/api/search/", {"q": text}).json()
        self.row["cut"] += "was stopped" in answer["query"]["understood"]
        return [hit["slug"] for hit in answer["results"]]

    def time(self, kind: str, text: str) -> None:
        """Ask, then have the engine alone do the same."""
        started = time.perf_counter()
        self.ask(text)
        self.ms[kind].append((time.perf_counter() - started) * 1e3)
        self.ms["bare"].append(self.engine.again() * 1e3)

    def times(self) -> dict[str, Any]:
        """By kind of query, of all together, of the engine alone; 95 % compared."""
        bare = times(self.ms.pop("bare"))
        kinds = {kind: times(ms[1:]) for kind, ms in self.ms.items()}
        whole = times([ms for kind in self.ms.values() for ms in kind[1:]])
        ratio = whole["p95_ms"] / max(bare["p95_ms"], 0.1)
        return kinds | {"all": whole, "bare": bare, "ratio": round(ratio, 1)}


class Listening:
    """An engine that remembers what it was asked last."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def search(self, request: Request, limit: int) -> Ranking:
        self.last = request
        return self.engine.search(request, limit)

    def again(self) -> float:
        """Seconds for one page of the last request, Tantivy's by its own searcher."""
        if self.engine.__class__.__name__ != "TantivyEngine":
            started = time.perf_counter()
            self.engine.search(self.last, service.PAGE_SIZE)
            return time.perf_counter() - started
        from kb.search.tantivy_engine import translated

        fields, searcher = self.engine._searcher()
        query = translated(self.last, fields)
        started = time.perf_counter()
        assert searcher.search(query, service.PAGE_SIZE).hits is not None
        return time.perf_counter() - started
