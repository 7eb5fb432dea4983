"""The command: weights and a card that load strictly, a row, and two processes at once."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from demos import train, weights
from demos.training import ledger
from tests.demos.training.conftest import clock, pack, small  # noqa: F401  fixtures

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def command(pack, tmp_path, monkeypatch, checkpoints):  # noqa: F811
    """Runs the command in this process; everything goes to temporary folders."""
    monkeypatch.setattr(train, "FOLDER", tmp_path / "kept")
    table = tmp_path / "table.csv"
    table.write_text(ledger.TABLE.read_text().splitlines()[0] + "\n")

    def run(method: str, *options: str) -> Path:
        fixed = ["--data", str(pack), "--minutes", "0.05", "--folder", str(checkpoints), "--table", str(table)]
        monkeypatch.setattr("sys.argv", ["train", method, *fixed, *options])
        train.main()
        return checkpoints

    run.table = table
    return run


def test_weights_and_a_card_are_written_that_load_strictly(command):
    folder = command("mae", "--out", "little", "--batch", "4", "--note", "why")
    card = json.loads((folder / "little.json").read_text())
    assert (card["steps"], card["images_seen"], card["core_minutes"]) == (3, 12, 0.1)
    assert (card["data"], card["seed"], card["note"], card["trained"]) == (["pack"], 0, "why", True)
    assert (card["method"], card["batch"], card["lr"]) == ("mae", 4, 1.2e-3)
    loaded = weights.checkpoint("little")
    trained = torch.load(folder / "little.state.pt", weights_only=True)["learner"]
    for name, value in loaded.model.state_dict().items():
        torch.testing.assert_close(value, trained[f"model.{name}"].half().float())
    assert not command.table.read_text().splitlines()[1:]  # nobody asked for figures


def test_two_labelled_packs_give_figures_on_the_card_and_a_row_in_the_table(command, pack):  # noqa: F811
    folder = command("simclr", "--judge", str(pack), str(pack), "--batch", "4", "--note", "x")
    figures = json.loads((folder / "simclr_budget.json").read_text())["figures"]
    with command.table.open(newline="") as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"simclr", "raw_pixels", "random_start"}
    row = rows["simclr"]
    assert row["knn_after"] == f"{figures['after']['knn']:.1f}"
    assert row["knn_before"] == f"{figures['before']['knn']:.1f}"
    assert (row["steps"], row["images"], row["seed"], row["note"]) == ("3", "12", "0", "x")
    assert row["curve"].split() == [row["loss_first"], *row["curve"].split()[1:-1], row["loss_last"]]
    assert all(row[column] for column in row)  # no column is left empty


def test_two_processes_share_the_batch_and_the_budget(pack, tmp_path):  # noqa: F811
    words = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "demos.train",
        "mae", "--data", str(pack), "--minutes", "0.01", "--batch", "4", "--folder", str(tmp_path / "out"), "--out", "two",
    ]
    environment = {**os.environ, "KB_VAR_DIR": str(tmp_path)}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stderr[-2000:]
    card = json.loads((tmp_path / "out/two.json").read_text())
    assert card["images_seen"] == 4 * card["steps"] > 0
    assert done.stderr.count("  0%|") == 1  # one bar, not two


def test_what_is_no_papers_method_is_not_judged_like_one(command, pack, capsys):  # noqa: F811
    with pytest.raises(SystemExit):
        command("captions", "--judge", str(pack), str(pack))
    assert "are for methods, not captions" in capsys.readouterr().err
