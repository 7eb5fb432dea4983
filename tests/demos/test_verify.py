"""The check in front of the reader: the papers' own tests, and it can fail."""

import json
import shutil

import numpy as np
import pytest

from demos import runner
from demos.__main__ import main
from demos.results import Cancelled
from demos.shows import verify

PAPER = "knowledge_distillation"
GOLDEN = verify.ROOT / "reference_impls" / "golden"


@pytest.fixture
def one_changed_number(tmp_path, monkeypatch):
    """The paper's cases, the first of them with a loss that is a little off."""
    cases = tmp_path / "golden" / PAPER
    shutil.copytree(GOLDEN / PAPER, cases)
    path = min(cases.glob("*.npz"))
    with np.load(path) as stored:
        arrays = dict(stored)
    name = min(n for n in arrays if n.startswith("out.") and arrays[n].ndim == 0)
    np.savez(path, **{**arrays, name: arrays[name] + 0.01})
    monkeypatch.setenv("GOLDEN_DIR", str(cases.parent))
    return path.stem, name.removeprefix("out.")


def test_a_paper_that_is_right_is_equal_in_every_stored_case(tmp_path):
    said = []
    result = runner.run("verify", PAPER, [], {}, tmp_path, said.append)
    stored = sorted(path.stem for path in (GOLDEN / PAPER).glob("*.json"))
    table = json.loads((tmp_path / "cases.json").read_text())
    assert table["columns"] == verify.COLUMNS
    assert sorted(row[0] for row in table["rows"]) == stored
    assert all(row[1] == "equal" for row in table["rows"])
    assert result.numbers["cases"] == result.numbers["equal"] == len(stored)
    assert result.weights["name"] == "the cases' own"
    assert said[-1].step == said[-1].total


def test_one_changed_number_is_found_and_named(tmp_path, one_changed_number):
    case, output = one_changed_number
    result = runner.run("verify", PAPER, [], {}, tmp_path)
    rows = {row[0]: row for row in json.loads((tmp_path / "cases.json").read_text())["rows"]}
    assert rows[case][1].startswith("DIFFERS")
    assert output in rows[case][1]
    assert rows[case][2] == "1.00e-02"
    assert result.numbers["equal"] == result.numbers["cases"] - 1


def test_the_shell_says_it_for_each_case_and_in_its_exit_code(capsys, one_changed_number):
    case, _ = one_changed_number
    assert main(["verify", "--paper", PAPER]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if "DIFFERS" in line).startswith(f"{PAPER}/{case}")
    assert main(["verify", "--paper", PAPER, "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert [row["case"] for row in rows if not row["passed"]] == [case]


def test_a_paper_without_cases_is_refused_with_the_ones_that_have_some(capsys):
    assert main(["verify", "--paper", "nothing"]) == 1
    assert PAPER in capsys.readouterr().err


def test_tests_that_cannot_start_are_no_success(monkeypatch, tmp_path):
    monkeypatch.setattr(verify, "TESTS", tmp_path)
    with pytest.raises(verify.Broken, match="0 of 0"):
        list(verify.check([PAPER]))


def test_a_cancelled_check_leaves_no_process_behind(monkeypatch, tmp_path):
    started = []
    popen = verify.subprocess.Popen
    monkeypatch.setattr(verify.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])

    def stop(progress):
        if progress.step:
            raise Cancelled

    with pytest.raises(Cancelled):
        runner.run("verify", PAPER, [], {}, tmp_path, stop)
    assert started[0].poll() is not None


def outcome(test, *, passed=True, error=1e-9, case="a"):
    return verify.Outcome(
        "p", case, "f", "owner/name@abc file.py", test, passed, 2, "loss", error, 1e-8, ""
    )


def test_a_case_in_two_tests_is_one_case_with_the_worse_numbers():
    both = [outcome("one", error=5e-9), outcome("two", error=7e-9), outcome("one", case="b")]
    a, b = verify.merged(both)
    assert (a.error, a.numbers, b.case) == (7e-9, 4, "b")
    failed, _ = verify.merged([outcome("one", passed=False, error=1e-9), *both])
    assert not failed.passed


def test_the_source_is_a_repository_at_a_commit_or_says_derived():
    assert outcome("one").source == "owner/name@abc"
    derived = verify.Outcome("p", "a", "f", "DERIVED from arXiv", "t", True, 1, "x", 0.0, 0.0, "")
    assert derived.source == "derived"
    assert derived.share == 0
