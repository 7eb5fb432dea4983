"""Searches that readers type bring a place they are content with to the top.

`judged.jsonl` holds one search a line: what is typed, every place that would do,
and what kind of search it is. The places were written down from the papers and
their code before any search was made. A place is `slug` for a paper as a whole,
`slug#anchor` for a part of its page, or `slug#L name` for a marked line of code,
whose number moves; `concept:name`; or `slug:dataset, metric, protocol` for numbers.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from kb.catalogue.library import library
from kb.search.documents import documents
from kb.search.service import Hit, search

FILE = Path(__file__).parent / "judged.jsonl"
JUDGED = [json.loads(line) for line in FILE.read_text().splitlines()]
FIRST_PAGE = 10
WORTH = 0.9  # mean reciprocal rank that must be held
# Ideas have many places that would do, of which only some were written down.
WORTH_OF_KIND = {"idea": 0.75, "formula": 0.8}


def place(hit: Hit) -> str:
    url = urlsplit(hit.url)
    if hit.kind == "concept":
        return f"concept:{hit.slug}"
    if hit.kind == "result":
        asked = dict(parse_qsl(url.query))
        return f"{hit.slug}:{asked['dataset']}, {asked['metric']}, {asked['protocol']}"
    anchor = unquote(url.fragment)
    if hit.kind == "symbol" and re.fullmatch(r"L\d+", anchor):
        anchor = f"L {hit.title}"
    return f"{hit.slug}#{anchor}" if anchor else hit.slug


@cache
def first_places(query: str, engine: str) -> list[str]:
    return [place(hit) for hit in search(query).results[:FIRST_PAGE]]


def reciprocal_rank(query: str, answers: list[str], engine: str) -> float:
    """1 for the first hit, 1/2 for the second, 0 beyond the first page."""
    found = enumerate(first_places(query, engine), start=1)
    ranks = (rank for rank, each in found if each in answers)
    return 1 / next(ranks, float("inf"))


def test_every_answer_is_a_place() -> None:
    known = {re.sub(r"#L\d+ ", "#L ", document.id) for document in documents(library())}
    answers = {answer for each in JUDGED for answer in each["answers"]}
    assert answers - known == set()


def test_the_set_is_large_varied_and_without_doubles() -> None:
    kinds = Counter(each["kind"] for each in JUDGED)
    assert sum(kinds.values()) >= 120
    assert min(kinds.values()) >= 5
    assert len({each["query"] for each in JUDGED}) == len(JUDGED)


def test_a_place_that_would_do_stands_near_the_top(library_of: str) -> None:
    ranks = {each["query"]: reciprocal_rank(each["query"], each["answers"], library_of)
             for each in JUDGED}  # fmt: skip
    worst = sorted(ranks.items(), key=lambda item: item[1])[:20]
    assert sum(ranks.values()) / len(ranks) >= WORTH, worst


@pytest.mark.parametrize("kind", sorted({each["kind"] for each in JUDGED}))
def test_every_kind_of_search_is_found(kind: str, library_of: str) -> None:
    ranks = [reciprocal_rank(each["query"], each["answers"], library_of)
             for each in JUDGED if each["kind"] == kind]  # fmt: skip
    assert sum(ranks) / len(ranks) >= WORTH_OF_KIND.get(kind, WORTH)
