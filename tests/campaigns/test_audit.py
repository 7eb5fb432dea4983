"""The campaign's own eyes: each kind of loss, made up, must be seen and named."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.campaigns.audit import audit, promises, quantile, to_cancelled
from tests.campaigns.ledger import Ledger, Wish

WISH = Wish(10, 1, (1, 2, 3))
KEY = "visitor 1", "key"


def states(*names: str) -> list[dict]:
    return [
        {"run_id": "a", "seq": n, "kind": "state", "data": {"state": name}}
        for n, name in enumerate(names, 1)
    ]


@pytest.fixture
def told() -> Ledger:
    """One visitor was told that run `a` is theirs."""
    ledger = Ledger()
    answer = {"id": "a", "state": "queued", "position": 2, "eta": {"low": 1, "high": 3}}
    ledger.acknowledged(*KEY, WISH, answer, time.time())
    return ledger


@pytest.fixture
def rows(told: Ledger) -> dict:
    """The run is done, as it should be."""
    at = told.runs["a"].told[0][0]
    return {
        "runs": [{
            "id": "a", "state": "done", "error_code": "", "error": "", "message": "",
            "attempts": 1, "attempt": "1", "cache_key": "k", "images": ["x.png"],
            "result": {"numbers": WISH.numbers, "artifacts": [{"file": "y.json"}]},
            "created": at, "started": at + 1, "finished": at + 2,
        }],
        "events": states("queued", "running", "done"),
    }


@pytest.fixture
def var(tmp_path: Path) -> Path:
    """The files of the run."""
    out = tmp_path / "runs" / "a" / "out-1"
    out.mkdir(parents=True)
    (out / "y.json").touch()
    (out.parent / "x.png").touch()
    return tmp_path


def kinds(found: dict[str, list[str]]) -> set[str]:
    return {kind for kind, faults in found.items() if faults}


def test_a_run_that_went_well_has_no_fault(told, rows, var):
    assert kinds(audit(told, rows, var)) == set()
    assert promises(told, {"a": rows["runs"][0]}) == (1, 1)


def changed(**fields: object) -> Callable[[Ledger, dict, Path], None]:
    """The row says this instead, and so does its last event."""

    def change(ledger: Ledger, rows: dict, var: Path) -> None:
        rows["runs"][0] |= fields
        rows["events"][-1]["data"]["state"] = rows["runs"][0]["state"]

    return change


def gone(ledger: Ledger, rows: dict, var: Path) -> None:
    rows["runs"], rows["events"] = [], []
    for path in sorted((var / "runs").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def unknown(ledger: Ledger, rows: dict, var: Path) -> None:
    ledger.runs.clear()


def doubled(ledger: Ledger, rows: dict, var: Path) -> None:
    other = copy.deepcopy(rows["runs"][0]) | {"id": "b"}
    rows["runs"].append(other)
    ledger.runs["b"] = ledger.runs["a"]
    rows["events"] += [event | {"run_id": "b"} for event in rows["events"]]
    (var / "runs" / "b").mkdir()
    (var / "runs" / "a").rename(var / "runs" / "c")
    (var / "runs" / "c").rename(var / "runs" / "a")


def stopped(ledger: Ledger, rows: dict, var: Path) -> None:
    ledger.leaves(KEY[0], "a")
    ledger.runs["a"].stopped = True


def other_place(ledger: Ledger, rows: dict, var: Path) -> None:
    answer = {"id": "a", "state": "queued", "position": 3, "eta": None}
    ledger.seen(answer, time.time())


def other_run(ledger: Ledger, rows: dict, var: Path) -> None:
    answer = {"id": "b", "position": None, "eta": None}
    ledger.acknowledged(*KEY, WISH, answer, time.time())


@pytest.mark.parametrize(("kind", "damage"), [
    ("lost", gone), ("lost", unknown), ("lost", changed(state="running")),
    ("wrong", changed(result={"numbers": {"steps": 9}, "artifacts": []})),
    ("wrong", changed(state="cancelled")), ("wrong", changed(state="expired")),
    ("wrong", changed(state="failed", error_code="worker_lost")),
    ("wrong", changed(state="failed", error_code="deadline")),
    ("wrong", changed(state="failed", error_code="internal")),
    ("wrong", stopped), ("wrong", other_place), ("wrong", other_run),
    ("duplicates", doubled),
    ("orphans", lambda ledger, rows, var: (var / "runs" / "z").mkdir()),
    ("orphans", lambda ledger, rows, var: (var / "runs" / "a" / "out-0").mkdir()),
    ("orphans", lambda ledger, rows, var: (var / "runs" / "a" / "x.png").unlink()),
    ("events", lambda ledger, rows, var: rows["events"].pop(1)),
    ("events", lambda ledger, rows, var: rows["events"].pop()),
    ("events", lambda ledger, rows, var: rows["events"][1]["data"].update(state="done")),
])
def test_each_kind_of_fault_is_seen(told, rows, var, kind, damage):
    damage(told, rows, var)
    assert kind in kinds(audit(told, rows, var))


@pytest.mark.parametrize("damage", [
    changed(state="failed", error_code="worker_lost", attempts=3, result=None),
    lambda ledger, rows, var: (stopped(ledger, rows, var),
                               changed(state="cancelled", result=None)(ledger, rows, var)),
])
def test_an_end_that_is_explained_is_no_fault(told, rows, var, damage):
    damage(told, rows, var)
    assert "wrong" not in kinds(audit(told, rows, var))


def test_of_two_answers_that_were_open_together_any_may_come_first(told, rows, var):
    asked = time.time() - 1  # before the place that is known came
    told.seen({"id": "a", "state": "queued", "position": 3, "eta": None}, asked)
    assert "wrong" not in kinds(audit(told, rows, var))


def test_a_post_that_is_repeated_after_leaving_brings_nobody_back(told, rows, var):
    stopped(told, rows, var)
    answer = {"id": "a", "state": "cancelled", "position": None, "eta": None}
    told.acknowledged(*KEY, WISH, answer, time.time(), again=True)
    changed(state="cancelled", result=None)(told, rows, var)
    assert "wrong" not in kinds(audit(told, rows, var))


@pytest.mark.parametrize(("begun", "at_work"), [(None, False), (-1, True), (1, False)])
def test_the_time_to_cancelled_counts_from_the_click(told, rows, var, begun, at_work):
    stopped(told, rows, var)
    click = told.runs["a"].clicks[0]
    changed(
        state="cancelled", started=begun and click + begun, finished=click + 0.5
    )(told, rows, var)
    runs = {"a": rows["runs"][0]}
    assert to_cancelled(told, runs, at_work) == [pytest.approx(0.5)]
    told.moments = [click - 3, click + 1]
    assert to_cancelled(told, runs, at_work, in_peace=True) == [pytest.approx(0.5)]
    told.trouble("kill worker")
    told.moments[-1] = click + 0.1
    assert to_cancelled(told, runs, at_work, in_peace=True) == []
    assert to_cancelled(told, runs, not at_work) == []
    assert quantile([3, 1, 2], 0.5) == 2
