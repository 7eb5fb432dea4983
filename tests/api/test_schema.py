"""The schema is complete, the docs page shows all of it, and the API keeps to it."""

from __future__ import annotations

import os
import re

import pytest
import schemathesis
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.test import Client
from hypothesis import HealthCheck, given, settings
from schemathesis import checks

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


# Requests to each call; SCHEMA_EXAMPLES=200 looks far longer.
EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "6"))
PLAIN = {"Accept-Encoding": "identity"}  # its transport over WSGI unpacks nothing
PROMISES = (
    checks.not_a_server_error, checks.content_type_conformance,
    checks.response_schema_conformance, checks.status_code_conformance,
)


@pytest.mark.django_db
def test_the_api_keeps_what_the_schema_says_whatever_is_sent():
    schema = schemathesis.openapi.from_wsgi("/api/schema/", get_wsgi_application())
    tried = set()
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def keeps_its_word(case: schemathesis.Case) -> None:
            tried.add(case.path)
            case.call_and_validate(checks=PROMISES, headers=PLAIN)

        keeps_its_word()
    assert tried == CALLS
