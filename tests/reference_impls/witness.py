"""A pytest plugin that runs golden cases alone and says how each one went, as JSON.

    pytest -p tests.reference_impls.witness --witness-fd N tests/reference_impls

One line on the file descriptor for the number of cases, then one per test of a case.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.reference_impls.golden import Case

LONGEST = 400  # characters of a failure's reason


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--witness-fd", type=int, required=True)


def case_of(item: pytest.Item) -> Case | None:
    """The golden case that a test was parametrised with."""
    values = item.callspec.params.values() if hasattr(item, "callspec") else []
    return next((value for value in values if isinstance(value, Case)), None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    items[:] = [item for item in items if case_of(item)]
    say(config, {"total": len(items)})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo
) -> Iterator[None]:
    report = yield
    if report.when == "call" or report.failed:
        say(item.config, told(item, report))
    return report


def told(item: pytest.Item, report: Any) -> dict[str, object]:
    """The row of one case."""
    case = case_of(item)
    assert case is not None
    worst = max(case.compared, key=lambda one: one.share, default=None)
    crash = getattr(report.longrepr, "reprcrash", None)
    return {
        "paper": case.path.parent.name,
        "case": case.path.stem,
        "function": case.card["function"],
        "upstream": case.card["upstream"],
        "test": item.originalname if hasattr(item, "originalname") else item.name,
        "passed": report.passed,
        "numbers": len(case.compared),
        "output": worst.output if worst else "",
        "error": worst.error if worst else None,
        "allowed": worst.allowed if worst else None,
        "reason": crash.message[:LONGEST] if crash else "",
    }


def say(config: pytest.Config, row: dict[str, object]) -> None:
    line = json.dumps(row, allow_nan=True) + "\n"
    os.write(config.getoption("--witness-fd"), line.encode())
