"""The lists of errors are up to date: each fits its module and changes what it does."""

import ast
import os
import sys

import pytest

from tests import mutants
from tests.mutants import ROOT, Mutant

MODULES = sorted(path.stem for path in (ROOT / "reference_impls").glob("[a-z]*.py"))


def shape(source):
    """The source without comments and layout."""
    return ast.dump(ast.parse(source))


@pytest.mark.parametrize("paper", MODULES)
def test_every_paper_lists_errors_that_fit_its_module(paper):
    untouched = shape((ROOT / "reference_impls" / f"{paper}.py").read_text())
    listed = mutants.mutants(paper)
    assert len(listed) >= 5
    assert len({mutant.error for mutant in listed}) == len(listed)
    changed = [shape(mutant.source()) for mutant in listed]
    assert untouched not in changed
    assert len(set(changed)) == len(changed)


def test_no_list_is_without_a_module():
    assert mutants.papers() == MODULES


@pytest.mark.parametrize("find", ["not in the module at all", "import"])
def test_an_error_that_fits_nowhere_or_in_several_places_is_refused(find):
    with pytest.raises(ValueError, match="longer or bring it up to date"):
        Mutant("vit", "x", find, "").source()


def test_a_planted_module_is_the_one_that_tests_import(monkeypatch):
    monkeypatch.delitem(sys.modules, "reference_impls.lars", raising=False)
    planted = mutants.Planted("lars", "planted = True\n")
    monkeypatch.setattr(sys, "meta_path", [planted, *sys.meta_path])
    import reference_impls.lars as found

    assert found.planted
    assert os.path.samefile(found.__spec__.origin, ROOT / "reference_impls/lars.py")
    monkeypatch.delitem(sys.modules, "reference_impls.lars")


def test_the_shares_of_several_days_are_every_paper_once():
    parts = [mutants.share(MODULES, f"{day}/5") for day in range(363, 368)]
    assert sorted(paper for part in parts for paper in part) == MODULES
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
