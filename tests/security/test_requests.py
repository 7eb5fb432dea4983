"""A few hundred of the hostile requests; `tests.security.fuzz_requests` sends thousands."""

from __future__ import annotations

import pytest

from tests.runs.stack import Stack
from tests.security.fuzz_requests import MANY, fuzz
from tests.security.routes import routes

REQUESTS = 300


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory):
    """A web server without a worker."""
    site = Stack(tmp_path_factory.mktemp("fuzz"), KB_SEARCH_ENGINE="fts5", **MANY)
    site.start_web()
    yield site
    site.stop()


def test_no_hostile_request_breaks_the_site_or_gets_to_see_its_inside(stack):
    counted, wrong, _ = fuzz(REQUESTS, seed=7, stack=stack)
    assert wrong == []
    assert counted.total() == REQUESTS
    assert {route for route, _ in counted} == {one.pattern for one in routes("x")}
    assert {status[0] for _, status in counted} >= {"2", "4"}
