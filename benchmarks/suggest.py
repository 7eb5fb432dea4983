"""How long a suggestion takes while somebody types, beside an empty view.

    python benchmarks/suggest.py [--notes 10000] [--json]

Every beginning of NAMES, as typed letter by letter, through the whole stack of
middleware: once over the project's own library, and once with so many notes more.
ratio = p95 / p95 of an empty view behind the same middleware. `cold_ms` is the first
request of a process, which sorts the names.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

NAMES = (
    "masked autoencoder", "random_masking", "momentum encoder", "why does it collapse",
    "stop gradient", "InfoNCE", "bootstrap your own latent", "temperature", "sinkhorn",
)
TITLE_WORDS, HEADINGS = 9, ("Summary", "Method", "Results", "Why does it work?")


def set_up(var: Path) -> None:
    os.environ["KB_VAR_DIR"] = str(var)
    os.environ["KB_SEARCH_ENGINE"] = "fts5"  # suggestions ask no engine; it builds fast
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb.settings")
    import django

    django.setup()
    from django.conf import settings

    settings.ALLOWED_HOSTS = ["testserver"]


def notes(count: int) -> Iterator[Any]:
    """Papers with four sections each, titled with words of the library's own."""
    from kb.catalogue.library import library
    from kb.search import analysis
    from kb.search.documents import documents
    from kb.search.place import Document, inside

    own = documents(library())
    yield from own
    said = sorted({w for d in own for w in analysis.plain_words(d.body) if len(w) > 2})
    dice = random.Random(0)
    for number in range(count):
        title = " ".join(dice.choices(said, k=TITLE_WORDS)).capitalize()
        slug = f"note_{number}"
        whole = Document(
            slug, "paper", slug, "", title, "", title, title, (title,), paper=(title,)
        )
        yield whole
        for at, heading in enumerate(HEADINGS):
            name = f"{heading[:-1]} {title}?" if heading[-1] == "?" else heading
            yield inside(
                whole, "section", f"s{at}", title=f"{title}: {name}", heading=name,
                body=" ".join(dice.choices(said, k=40)),
            )


def measure(count: int, var: Path) -> dict[str, Any]:
    from django.test import Client

    from benchmarks.search import answer_from, build
    from benchmarks.search_figures import times

    answer_from(build(list(notes(count)), "fts5", var))
    client = Client()

    def ms(url: str, **asked: str) -> float:
        started = time.perf_counter()
        assert client.get(url, asked).status_code == 200
        return (time.perf_counter() - started) * 1e3

    ms("/floor/")
    cold = ms("/search/suggest/", q="x")
    typed = [name[:end] for name in NAMES for end in range(1, len(name) + 1)]
    random.Random(1).shuffle(typed)
    taken, floor = [], []
    for text in typed:
        taken.append(ms("/search/suggest/", q=text))
        floor.append(ms("/floor/"))
    found, least = times(taken), times(floor)
    return {
        "notes": count, **found, "floor_p95_ms": least["p95_ms"],
        "ratio": round(found["p95_ms"] / least["p95_ms"], 1), "cold_ms": round(cold),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notes", type=int, nargs="+", default=[0, 10_000])
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        set_up(Path(folder))
        from django.http import HttpResponse
        from django.urls import path

        import kb.urls

        kb.urls.urlpatterns.append(path("floor/", lambda request: HttpResponse("")))
        rows = [measure(count, Path(folder)) for count in args.notes]
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print("  ".join(f"{name} {value:g}" for name, value in row.items()))


if __name__ == "__main__":
    main()
