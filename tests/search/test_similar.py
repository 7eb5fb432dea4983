"""More like this: sensible for the papers that are here, and free for the page."""

from __future__ import annotations

import time

import pytest
from django.test import Client

from kb.catalogue.library import library
from kb.search import similar
from kb.search.documents import Document, documents
from kb.search.index import LiveIndex, alike

# Papers that a reader of the first one is sure to expect.
EXPECTED = [
    ("byol", {"simsiam", "dino"}), ("mae", {"can", "convnextv2"}),
    ("moco", {"moco_v3"}), ("moco_v3", {"moco", "vit"}), ("simsiam", {"byol"}),
    ("dino", {"byol", "swav"}), ("simclr", {"nnclr", "moco"}),
    ("jigsaw", {"cubic_puzzles", "pirl"}), ("knn", {"linear_probe", "cog"}),
    ("registers", {"dinov2"}), ("deit3", {"vit"}), ("rho_video_ssl", {"moco"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def neighbours() -> dict[str, list[str]]:
    return similar.similar(documents(library()))


@pytest.mark.parametrize(("slug", "expected"), EXPECTED, ids=[s for s, _ in EXPECTED])
def test_papers_that_are_alike_are_named(
    neighbours: dict[str, list[str]], slug: str, expected: set[str]
) -> None:
    assert expected <= set(neighbours[slug])


def test_each_paper_has_five_others(neighbours: dict[str, list[str]]) -> None:
    for slug, others in neighbours.items():
        assert slug not in others
        assert len(set(others)) == len(others) == similar.SHOWN


def paper(slug: str, title: str, body: str = "") -> Document:
    return Document(slug, "paper", slug, "", title, "", title, body)


def section(slug: str, anchor: str, body: str) -> Document:
    return Document(f"{slug}#{anchor}", "section", slug, anchor, "", "", "", body)


def test_the_most_alike_comes_first_and_the_unlike_not_at_all() -> None:
    shelf = [
        paper("a", "Masked patches"), section("a", "tldr", "hide patches, paint them"),
        paper("b", "Audio"), section("b", "tldr", "sound and speech"),
        paper("c", "Patches"), section("c", "tldr", "cut into patches"),
        paper("d", "Masked painting"), section("d", "tldr", "hide patches, paint them"),
    ]  # fmt: skip
    found = similar.similar(shelf)
    assert found["a"] == ["d", "c"]
    assert found["b"] == []


def test_only_summary_and_key_idea_count_where_there_are_such() -> None:
    shelf = [
        paper("a", "First", body="zebra"), section("a", "tldr", "green"),
        section("a", "sources", "zebra"), paper("b", "Second", body="zebra"),
        paper("c", "Third", body="green"), paper("d", "Fourth", body="blue"),
    ]  # fmt: skip
    found = similar.similar(shelf)
    assert found["a"] == ["c"]
    assert found["b"] == []


def test_one_paper_alone_is_like_none() -> None:
    assert similar.similar([paper("a", "Alone")]) == {"a": []}


def test_a_thousand_papers_take_seconds_only() -> None:
    words = [f"w{n:03x}" for n in range(1000)]
    shelf = [
        paper(f"p{n}", f"Paper {n}", " ".join(words[n % 900 : n % 900 + 90]))
        for n in range(1000)
    ]  # fmt: skip
    started = time.process_time()
    assert all(similar.similar(shelf).values())
    assert time.process_time() - started < 20


def test_the_page_and_the_interface_name_them(index: LiveIndex, client: Client) -> None:
    index.refresh()
    expected = index.generation().similar["mae"]
    assert expected
    page = client.get("/papers/mae/").text
    _, _, shown = page.partition("More like this:")
    for slug in expected:
        assert f'href="/papers/{slug}/"' in shown.partition("</p>")[0]
    assert client.get("/api/papers/mae/").json()["similar"] == expected


def test_a_page_never_waits_for_an_index(
    index: LiveIndex, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LiveIndex, "_refresh_later", lambda self: None)
    assert "More like this" not in client.get("/papers/mae/").text
    assert client.get("/api/papers/mae/").json()["similar"] == []


def test_a_paper_that_is_gone_is_not_named(
    index: LiveIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = index.generation()
    monkeypatch.setitem(generation.similar, "mae", ["gone", "byol"])
    assert [other.slug for other in alike(library().papers["mae"])] == ["byol"]


def test_a_page_grows_by_less_than_two_milliseconds(index: LiveIndex) -> None:
    index.generation()
    shown = library().papers["mae"]
    started = time.thread_time()
    for _ in range(100):
        alike(shown)
    assert (time.thread_time() - started) / 100 < 0.002
