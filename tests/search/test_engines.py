"""One contract for every engine; each test runs against all of them."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from kb.search.engine import (
    And,
    Engine,
    EngineMissing,
    Entry,
    Or,
    Request,
    Sequence,
    Term,
    engine_class,
    engine_fault,
)

FLAT = {"title": 1.0, "text": 1.0}
TEXTS = {
    "mae": ("mask autoencod", "random_masking random mask patch of imag mask again"),
    "byol": ("bootstrap latent", "stop gradient target network"),
    "dino": ("self distil", "gradient stop teacher network patch"),
}


def entries() -> list[Entry]:
    return [
        Entry({"kind": ["paper"], "title": title.split(), "text": text.split()})
        for title, text in TEXTS.values()
    ]


@pytest.fixture
def built(engine: str, tmp_path: Path) -> Engine:
    made = engine_class(engine)(tmp_path)
    made.rebuild(entries())
    return made


def found(
    engine: Engine, wanted: object, excluded: object = None, *, limit: int = 10
) -> list[int]:
    return engine.search(Request(wanted, FLAT, excluded), limit).numbers.tolist()


def ids(engine: Engine, wanted: object, excluded: object = None) -> list[str]:
    return [list(TEXTS)[number] for number in found(engine, wanted, excluded)]


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


@pytest.mark.parametrize("nothing", [Or(()), And((Or(()),)), Or((Or(()), Or(())))])
def test_of_no_terms_nothing_is_found(built: Engine, nothing: And | Or) -> None:
    teacher = Term("text", "teacher")
    assert ids(built, nothing) == []
    assert ids(built, Or((nothing, teacher))) == ["dino"]
    assert ids(built, And((nothing, teacher))) == []
    assert ids(built, teacher, excluded=nothing) == ["dino"]
    assert ids(built, nothing, excluded=teacher) == []


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
    wanted = Or(text("mask", "patch", "network"))
    scores = built.search(Request(wanted, FLAT), 10).scores.tolist()
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 3
    assert scores[-1] > 0


def test_a_heavier_field_ranks_its_documents_up(engine: str, tmp_path: Path) -> None:
    made = engine_class(engine)(tmp_path)
    filler = [Entry({"kind": ["x"], "text": ["filler"]}) for i in range(20)]
    made.rebuild([
        Entry({"title": ["b"], "text": ["loss", "loss"]}),
        Entry({"title": ["loss"], "text": ["other", "words"]}),
        *filler,
    ])
    wanted = Or((Term("title", "loss"), Term("text", "loss")))
    for heavy, first in (("title", 1), ("text", 0)):
        weights = {"title": 0.1, "text": 0.1, heavy: 9.0}
        assert made.search(Request(wanted, weights), 5).numbers[0] == first


def test_fewer_hits_are_the_best_of_more(built: Engine) -> None:
    wanted = Or(text("network", "patch"))
    every = found(built, wanted)
    assert len(every) == 3
    assert [found(built, wanted, limit=n) for n in (1, 2)] == [every[:1], every[:2]]


def test_equal_scores_keep_the_order_of_entry(engine: str, tmp_path: Path) -> None:
    made = engine_class(engine)(tmp_path)
    made.rebuild(Entry({"text": ["loss"]}) for i in range(10))
    assert found(made, Term("text", "loss")) == list(range(10))
    assert found(made, Term("text", "loss"), limit=4) == list(range(4))


def test_terms_are_taken_literally(built: Engine) -> None:
    for hostile in ("*", "a*", '"', "NEAR", "text:", "-", "mask OR", "\\", "'; --"):
        assert ids(built, Term("text", hostile)) == []


def test_terms_of_any_script(engine: str, tmp_path: Path) -> None:
    made = engine_class(engine)(tmp_path)
    words = ["深度学习", "обучение", "שלום", "a_b.c", "0.75"]
    made.rebuild([Entry({"text": [word]}) for word in words])
    for number, word in enumerate(words):
        assert found(made, Term("text", word)) == [number]


def test_an_empty_index_is_healthy_and_finds_nothing(engine: str, tmp_path: Path) -> None:
    made = engine_class(engine)(tmp_path)
    made.rebuild([])
    assert made.health().ok
    assert made.health().documents == 0
    assert found(made, Term("text", "mask")) == []


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
    made.rebuild(Entry({"text": words}) for i in range(400))
    request = Request(Or(text(*words)), FLAT, seconds=1e-6)
    assert not made.search(request, 10_000).complete


def test_an_unknown_engine_is_named_with_the_remedy() -> None:
    with pytest.raises(EngineMissing, match="KB_SEARCH_ENGINE to 'whoosh', 'fts5' or"):
        engine_class("lucene")


def test_a_missing_package_is_named_with_the_remedy(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "tantivy", None)
    with pytest.raises(EngineMissing, match=r"pip install 'tantivy.*or set KB_SEARCH"):
        engine_class("tantivy")


def test_nothing_is_wrong_with_the_engines_that_are_here(engine: str) -> None:
    assert engine_fault(engine) is None
