"""How well search finds and how long it takes, its engines side by side.

    python benchmarks/search.py --judged DIR --engine NAME [--json]
    python benchmarks/search.py --papers DIR [--size N …] [--engines NAME …]
                                [--builds DIR] [--json]

--judged: docs, queries and qrels (`NAME.jsonl.gz`) in DIR, through our query language
and ranking. --papers: docs alone; queries are drawn from them with a fixed seed, and
answered by /api/search/ with all its middleware (Django's test client, no network),
the engines in turns. `bare` is the engine alone: its last request of each answer
again, for the first page and nothing else. --builds keeps the indexes for later runs.
Rows: docs {id, title, text}, queries {id, text}, qrels {q, d, rel}.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from django.conf import settings  # noqa: E402

from benchmarks.search_figures import (  # noqa: E402
    mean,
    ndcg,
    recall,
    reciprocal_rank,
    times,
)
from benchmarks.search_queries import drawn, known_items  # noqa: E402
from benchmarks.search_site import Site, answer_from, build  # noqa: E402
from kb.search import service  # noqa: E402
from kb.search.documents import Document  # noqa: E402
from kb.search.engine import ENGINES  # noqa: E402

QUERIES, KNOWN_ITEMS = 40, 200  # of each kind; titles asked for


def rows(file: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def document(row: dict[str, Any]) -> Document:
    """An abstract as the entry of a paper is searched."""
    return Document(
        id=row["id"], kind="paper", slug=row["id"], anchor="", title=row["title"],
        section="", heading=row["title"], body=row["text"], names=(row["title"],),
        paper=(row["title"],),
    )


def set_up(var: Path) -> None:
    """The site's settings over an empty folder."""
    os.environ["KB_VAR_DIR"] = str(var)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb.settings")
    (var / "static").mkdir()
    import django

    django.setup()
    settings.ALLOWED_HOSTS = ["testserver"]


def judged(folder: Path, engine: str, var: Path) -> dict[str, float]:
    """Quality over all queries that have a relevant document, and times of a page."""
    documents = [document(row) for row in rows(folder / "docs.jsonl.gz")]
    answer_from(build(documents, engine, var / "judged"))
    gains: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows(folder / "qrels.jsonl.gz"):
        gains[row["q"]][row["d"]] = row["rel"]
    quality, recalled, ms = [], [], []
    for query in rows(folder / "queries.jsonl.gz"):
        known = gains[query["id"]]
        relevant = {id for id, gain in known.items() if gain > 0}
        if not relevant:
            continue
        started = time.perf_counter()
        service.search(query["text"])
        ms.append((time.perf_counter() - started) * 1e3)
        found = first(query["text"], 100)
        quality.append(ndcg([known.get(id, 0) for id in found], list(known.values())))
        recalled.append(recall(found, relevant))
    return {"ndcg10": round(mean(quality), 4), "recall100": round(mean(recalled), 4),
            **times(ms)}


def first(text: str, count: int) -> list[str]:
    """The first hits on one long page, without a limit of time."""
    before = service.PAGE_SIZE, settings.SEARCH_SECONDS
    service.PAGE_SIZE, settings.SEARCH_SECONDS = count, 60.0
    try:
        return [hit.slug for hit in service.search(text).results]
    finally:
        service.PAGE_SIZE, settings.SEARCH_SECONDS = before


def side_by_side(
    documents: list[Document], engines: list[str], builds: Path
) -> list[dict[str, Any]]:
    """One row for each engine over the same documents and queries."""
    sites = [Site(documents, engine, builds) for engine in engines]
    known = sites[0].index.lexicon.frequency
    for kind, texts in drawn(documents, known, QUERIES).items():
        for text in ["warm up", *texts]:
            for site in sites:
                site.time(kind, text)
    asked = known_items(documents, KNOWN_ITEMS)
    for site in sites:
        ranks = [reciprocal_rank(site.ask(text), id) for text, id in asked]
        site.row["mrr10"] = round(mean(ranks), 3)
    return [site.row | site.times() for site in sites]


def table(found: list[dict[str, Any]]) -> Iterator[str]:
    """Markdown, times as p50 / p95."""
    yield "| " + " | ".join(found[0]) + " |"
    yield "|" + "---|" * len(found[0])
    for row in found:
        cells = (
            f"{cell['p50_ms']:g} / {cell['p95_ms']:g}" if isinstance(cell, dict)
            else f"{cell}" for cell in row.values()
        )
        yield "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--judged", type=Path, metavar="DIR")
    source.add_argument("--papers", type=Path, metavar="DIR")
    parser.add_argument("--engine", default="whoosh", choices=ENGINES)
    parser.add_argument("--engines", nargs="+", default=ENGINES, choices=ENGINES)
    parser.add_argument("--size", nargs="+", type=int, default=[1000])
    parser.add_argument("--builds", type=Path, metavar="DIR")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        var = Path(folder)
        set_up(var)
        if args.judged:
            quality = judged(args.judged, args.engine, var)
            line = "  ".join(f"{name} {value:g}" for name, value in quality.items())
            print(json.dumps(quality) if args.json else line)
            return
        found = []
        builds = args.builds or var / "builds"
        for size in args.size:
            read = islice(rows(args.papers / "docs.jsonl.gz"), size)
            found += side_by_side([document(row) for row in read], args.engines, builds)
        print(json.dumps(found, indent=1) if args.json else "\n".join(table(found)))


if __name__ == "__main__":
    main()
