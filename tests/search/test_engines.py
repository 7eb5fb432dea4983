"""One contract for every engine; each test runs against all of them."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from kb.search.engine import (
    And,
    Engine,
    Entry,
    Or,
    Request,
    Sequence,
    Term,
    engine_class,
)

FLAT = {"title": 1.0, "text": 1.0}
TEXTS = {
    "mae": ("mask autoencod", "random_masking random mask patch of imag mask again"),
    "byol": ("bootstrap latent", "stop gradient target network"),
    "dino": ("self distil", "gradient stop teacher network patch"),
}


def entries() -> list[Entry]:
    return [
        Entry(id, {"kind": ["paper"], "title": title.split(), "text": text.split()})
        for id, (title, text) in TEXTS.items()
    ]


@pytest.fixture
def built(engine: str, tmp_path: Path) -> Engine:
    made = engine_class(engine)(tmp_path)
    made.rebuild(entries())
    return made


def ids(engine: Engine, wanted: object, excluded: object = None, **page: int) -> list[str]:
    request = Request(wanted, FLAT, excluded)
    return [id for id, _ in engine.search(request, page.pop("limit", 10), **page).hits]


def text(*terms: str) -> tuple[Term, ...]:
    return tuple(Term("text", term) for term in terms)


def test_a_term_finds_the_documents_that_hold_it(built: Engine) -> None:
    assert set(ids(built, Term("text", "network"))) == {"byol", "dino"}


def test_a_term_is_looked_for_in_its_field_only(built: Engine) -> None:
    assert ids(built, Term("title", "network")) == []


def test_identifiers_are_terms(built: Engine) -> None:
    assert ids(built, Term("text", "random_masking")) == ["mae"]


def test_and_needs_all(built: Engine) -> None:
    assert ids(built, And(text("network", "patch"))) == ["dino"]


def test_or_needs_one_and_prefers_more(built: Engine) -> None:
    found = ids(built, Or(text("network", "patch", "teacher")))
    assert found[0] == "dino"
    assert set(found) == {"mae", "byol", "dino"}


def test_nested_nodes(built: Engine) -> None:
    wanted = Or((And(text("stop", "target")), Term("title", "autoencod")))
    assert set(ids(built, wanted)) == {"byol", "mae"}


def test_a_sequence_needs_the_order(built: Engine) -> None:
    assert ids(built, Sequence("text", ("stop", "gradient"))) == ["byol"]


def test_a_sequence_of_one_is_a_term(built: Engine) -> None:
    assert ids(built, Sequence("text", ("teacher",))) == ["dino"]


def test_excluded_documents_are_left_out(built: Engine) -> None:
    assert ids(built, Term("text", "network"), Term("text", "teacher")) == ["byol"]


def test_unknown_terms_find_nothing(built: Engine) -> None:
    assert ids(built, Term("text", "zebra")) == []
    assert ids(built, And(text("network", "zebra"))) == []


def test_scores_fall_and_are_positive(built: Engine) -> None:
    hits = built.search(Request(Or(text("mask", "patch", "network")), FLAT), 10).hits
    scores = [score for _, score in hits]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0


def test_a_heavier_field_ranks_its_documents_up(engine: str, tmp_path: Path) -> None:
    made = engine_class(engine)(tmp_path)
    filler = [Entry(f"f{i}", {"kind": ["x"], "text": ["filler"]}) for i in range(20)]
    made.rebuild([
        Entry("in-text", {"title": ["b"], "text": ["loss", "loss"]}),
        Entry("in-title", {"title": ["loss"], "text": ["other", "words"]}),
        *filler,
    ])
    wanted = Or((Term("title", "loss"), Term("text", "loss")))
    for heavy, first in (("title", "in-title"), ("text", "in-text")):
        hits = made.search(Request(wanted, {"title": 0.1, "text": 0.1, heavy: 9.0}), 5).hits
        assert hits[0][0] == first


def test_pages_join_without_gap_or_repeat(built: Engine) -> None:
    wanted = Or(text("network", "patch"))
    paged = [id for at in range(3) for id in ids(built, wanted, limit=1, offset=at)]
    assert paged == ids(built, wanted)


def test_equal_scores_keep_the_order_of_entry(engine: str, tmp_path: Path) -> None:
    made = engine_class(engine)(tmp_path)
    same = [f"{i * 7 % 10}" for i in range(10)]
    made.rebuild(Entry(id, {"text": ["loss"]}) for id in same)
    assert ids(made, Term("text", "loss")) == same
    assert ids(made, Term("text", "loss"), limit=4, offset=3) == same[3:7]


def test_terms_are_taken_literally(built: Engine) -> None:
    for hostile in ("*", "a*", '"', "NEAR", "text:", "-", "mask OR", "\\", "'; --"):
        assert ids(built, Term("text", hostile)) == []


def test_terms_of_any_script(engine: str, tmp_path: Path) -> None:
    made = engine_class(engine)(tmp_path)
    words = ["深度学习", "обучение", "שלום", "a_b.c", "0.75"]
    made.rebuild([Entry(word, {"text": [word]}) for word in words])
    for word in words:
        assert ids(made, Term("text", word)) == [word]


def test_an_empty_index_is_healthy_and_finds_nothing(engine: str, tmp_path: Path) -> None:
    made = engine_class(engine)(tmp_path)
    made.rebuild([])
    assert made.health().ok
    assert made.health().documents == 0
    assert ids(made, Term("text", "mask")) == []


def test_health_counts_the_documents(built: Engine) -> None:
    assert (built.health().ok, built.health().documents) == (True, len(TEXTS))


def test_health_of_missing_or_broken_files_is_not_ok(engine: str, tmp_path: Path) -> None:
    assert not engine_class(engine)(tmp_path / "nowhere").health().ok
    made = engine_class(engine)(tmp_path)
    made.rebuild(entries())
    made.close()
    for file in tmp_path.iterdir():
        file.write_bytes(b"broken")
    assert not engine_class(engine)(tmp_path).health().ok


def test_a_damaged_piece_of_tantivy_is_an_error_and_no_panic(tmp_path: Path) -> None:
    engine_class("tantivy")(tmp_path).rebuild(entries())
    for file in tmp_path.glob("*.idx"):
        file.write_bytes(b"broken")
    opened = engine_class("tantivy")(tmp_path)
    assert not opened.health().ok
    with pytest.raises(RuntimeError, match="tantivy"):
        ids(opened, Term("text", "mask"))


def test_a_built_index_opens_again(built: Engine, engine: str, tmp_path: Path) -> None:
    built.close()
    assert ids(engine_class(engine)(tmp_path), Term("text", "teacher")) == ["dino"]


def test_threads_search_side_by_side(built: Engine) -> None:
    found: list[list[str]] = []

    def search() -> None:
        found.extend(ids(built, And(text("network", "patch"))) for _ in range(5))

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["dino"]] * 20


def test_a_search_ends_when_its_time_is_over(engine: str, tmp_path: Path) -> None:
    made = engine_class(engine)(tmp_path)
    words = [f"w{i}" for i in range(30)]
    made.rebuild(Entry(str(i), {"text": words}) for i in range(400))
    request = Request(Or(text(*words)), FLAT, seconds=1e-6)
    assert not made.search(request, 10_000).complete


def test_an_unknown_engine_is_named_with_the_remedy() -> None:
    with pytest.raises(ValueError, match="use 'whoosh', 'fts5' or 'tantivy'"):
        engine_class("lucene")


def test_a_missing_package_is_named_with_the_remedy(monkeypatch) -> None:
    monkeypatch.delitem(sys.modules, "kb.search.tantivy_engine", raising=False)
    monkeypatch.setitem(sys.modules, "tantivy", None)
    with pytest.raises(ValueError, match="pip install 'tantivy"):
        engine_class("tantivy")
