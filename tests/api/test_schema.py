"""The schema is complete, the docs page shows all of it, and the API keeps to it."""

from __future__ import annotations

import re

import pytest
import schemathesis
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.test import Client
from hypothesis import HealthCheck, given, settings

from kb.api.docs import documented

CALLS = {
    "/api/search/", "/api/papers/", "/api/papers/{slug}/", "/api/demos/", "/api/results/",
    "/api/runs/", "/api/runs/{run_id}/", "/api/runs/{run_id}/cancel/",
}


def test_the_schema_has_every_call_and_no_warnings(tmp_path):
    file = tmp_path / "schema.yml"
    call_command(
        "spectacular", "--validate", "--fail-on-warn", file=str(file),
        skip_checks=True,
    )
    assert {call["path"] for call in documented()["operations"]} == CALLS


def test_the_docs_page_shows_every_call_and_its_links_lead_somewhere():
    page = Client().get("/api/").content.decode()
    for path in CALLS:
        assert f"<code>{path}</code>" in page
    targets = set(re.findall(r'href="#(\w+)"', page))
    assert targets - {"main"} <= set(re.findall(r'id="(\w+)"', page))


@pytest.mark.django_db
def test_no_call_that_the_schema_allows_breaks_the_server():
    schema = schemathesis.openapi.from_wsgi("/api/schema/", get_wsgi_application())
    tried = set()
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=6, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def keeps_standing(case: schemathesis.Case) -> None:
            answer = case.call()
            tried.add(case.path)
            assert answer.status_code < 500, answer.text

        keeps_standing()
    assert tried == CALLS
