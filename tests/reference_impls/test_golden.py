"""The proof is whole: every stored case is consumed, and leaving an output out fails."""

import math
from importlib import import_module, util

import numpy as np
import pytest
import torch

from tests.reference_impls.golden import GOLDEN_DIR, Case, worst


def consumed(paper: str) -> set[str]:
    """Keys of the cases that the tests of a paper are parametrised over."""
    name = f"tests.reference_impls.test_{paper}"
    if util.find_spec(name) is None:
        return set()
    tests = [value for value in vars(import_module(name)).values() if callable(value)]
    marks = [mark for test in tests for mark in getattr(test, "pytestmark", [])]
    values = [value for mark in marks if mark.name == "parametrize" for value in mark.args[1]]
    return {value.key for value in values if isinstance(value, Case)}


def test_no_stored_case_is_left_out():
    stored = {f"{p.parent.name}/{p.stem}" for p in GOLDEN_DIR.glob("*/*.json")}
    assert stored
    run = set().union(*(consumed(paper) for paper in {key.split("/")[0] for key in stored}))
    assert stored - run == set()


@pytest.fixture
def case(tmp_path):
    """One stored call with two outputs, the second of them whole numbers."""
    np.savez(tmp_path / "a.npz", **{"in.x": np.ones(2), "out.y": np.array([1.0, 2.0]), "out.n": np.array([3])})
    return Case(tmp_path / "a.json", {"params": {}, "tolerance": {"rtol": 0.0, "atol": 1e-3}})


def test_an_output_that_agrees_passes(case):
    case.check(y=np.array([1.0005, 2.0]), n=np.array([3]))


def test_the_worst_number_of_each_output_is_remembered(case):
    case.check(y=np.array([1.0005, 2.0]), n=np.array([3]))
    y, n = case.compared
    assert (y.output, n.output) == ("y", "n")
    assert y.error == pytest.approx(5e-4)
    assert y.share == pytest.approx(0.5)
    assert (n.error, n.allowed, n.share) == (0, 0, 0)


@pytest.mark.parametrize(
    ("ours", "theirs", "error", "share"),
    [
        ([1.0, 5.0], [1.0, 4.0], 1.0, 1 / 0.41),
        ([100.0, 0.2], [101.0, 0.1], 0.1, 5.0),
        ([math.nan], [1.0], math.inf, math.inf),
        ([math.nan, math.inf], [math.nan, math.inf], 0.0, 0.0),
        ([math.inf], [1.0], math.inf, math.inf),
        ([1.0, 2.0], [1.0], math.inf, math.inf),
        ([], [], 0.0, 0.0),
    ],
)
def test_the_worst_is_what_uses_up_most_of_its_tolerance(ours, theirs, error, share):
    found = worst("y", torch.tensor(ours), torch.tensor(theirs), rtol=0.1, atol=0.01)
    assert found.error == pytest.approx(error)
    assert found.share == pytest.approx(share)


@pytest.mark.parametrize(
    "answer",
    [
        {"y": np.array([1.01, 2.0]), "n": np.array([3])},
        {"y": np.array([1.0, 2.0]), "n": np.array([4])},
        {"y": np.array([1.0, np.nan]), "n": np.array([3])},
        {"y": np.array([1.0, 2.0, 3.0]), "n": np.array([3])},
        {"y": np.array([1.0, 2.0])},
        {"y": np.array([1.0, 2.0]), "n": np.array([3]), "z": np.array([0])},
    ],
    ids=["beyond the tolerance", "another whole number", "not a number", "another shape", "left out", "never stored"],
)
def test_an_output_that_differs_or_is_left_out_fails(case, answer):
    with pytest.raises(AssertionError):
        case.check(**answer)
