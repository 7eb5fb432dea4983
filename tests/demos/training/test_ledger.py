"""The table of all trainings: one row a method and seed, and the rest stays."""

import csv

import pytest

from demos.training import ledger


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(ledger.TABLE.read_text().splitlines()[0] + "\n")
    return path


def rows(table) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_takes_its_predecessors_place_and_leaves_the_others(table):
    ledger.record({"method": "simclr", "seed": 0, "knn_after": "30.1"}, table, "first, of two")
    ledger.record({"method": "dino", "seed": 0, "knn_after": "29.0"}, table, "")
    ledger.record({"method": "simclr", "seed": 1, "knn_after": "31.0"}, table, "")
    ledger.record({"method": "simclr", "seed": 0, "knn_after": "35.5"}, table, "second")
    found = [(r["method"], r["seed"], r["knn_after"], r["note"]) for r in rows(table)]
    assert found == [("dino", "0", "29.0", ""), ("simclr", "0", "35.5", "second"), ("simclr", "1", "31.0", "")]


def test_a_control_has_figures_and_no_training(table):
    found = {"knn": 36.04, "linear": 37.06, "spread": 0.98, "rank": 276.6}
    ledger.record(ledger.control_row("raw_pixels", found), table, "")
    (row,) = rows(table)
    assert (row["method"], row["knn_after"], row["linear_after"], row["rank"]) == ("raw_pixels", "36.0", "37.1", "277")
    assert row["steps"] == row["curve"] == row["knn_before"] == ""


def test_the_code_version_is_the_methods_own():
    assert ledger.code_version("simclr") == ledger.code_version("simclr")
    assert ledger.code_version("simclr") != ledger.code_version("mae")
