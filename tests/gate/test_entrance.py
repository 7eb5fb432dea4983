"""Every request has a name, in its answer and in each line of the log about it."""

from __future__ import annotations

import json
import logging
import uuid

import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.test import Client
from prometheus_client import REGISTRY

from kb.gate import logs

RUN = uuid.uuid4()


@pytest.fixture
def lines():
    """The log as JSON lines."""
    told: list[dict] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(json.loads(logs.AsJson().format(record)))

    handler = Handler()
    handler.addFilter(logs.Origin())
    root, requests = logging.getLogger(), logging.getLogger("kb.requests")
    before = requests.level
    requests.setLevel(logging.INFO)
    root.addHandler(handler)
    yield told
    root.removeHandler(handler)
    requests.setLevel(before)


def test_the_name_that_a_proxy_gave_is_kept():
    assert Client().get("/healthz", headers={"X-Request-ID": "proxy-1234"})["X-Request-ID"] == "proxy-1234"


@pytest.mark.parametrize("given", ["", "short", "a b c d e f g h", "x" * 65, "ééééééééé", "a\tb{}<>bbbbb"])
def test_any_other_name_is_made_anew(given):
    name = Client().get("/healthz", headers={"X-Request-ID": given})["X-Request-ID"]
    assert uuid.UUID(name).hex == name


@pytest.mark.django_db
def test_the_line_of_a_request_says_route_status_request_and_run(lines):
    answer = Client().get(f"/api/runs/{RUN}/")
    line = next(one for one in lines if one["logger"] == "kb.requests")
    assert line["route"] == "api/runs/<uuid:run_id>/"
    assert (line["status"], line["method"]) == (404, "GET")
    assert line["request_id"] == answer["X-Request-ID"]
    assert line["run_id"] == str(RUN)


def test_lines_about_a_run_in_the_worker_say_which(lines):
    with logs.about(RUN, "request-1"):
        logging.getLogger("worker").warning("it %s", "broke")
    logging.getLogger("worker").warning("idle")
    inside, outside = lines
    assert (inside["run_id"], inside["request_id"], inside["message"]) == (str(RUN), "request-1", "it broke")
    assert outside["run_id"] == ""


def test_an_exception_stays_in_one_line(lines):
    try:
        raise ValueError("x\ny")
    except ValueError:
        logging.getLogger("worker").exception("broke")
    assert "ValueError: x\ny" in lines[0]["exception"]


@pytest.mark.parametrize(("raised", "kept"), [(PermissionDenied("not yours"), False), (ValueError("odd"), True)])
def test_what_is_refused_on_purpose_leaves_no_traceback(raised, kept):
    record = logging.makeLogRecord({"msg": "no", "exc_info": (type(raised), raised, None)})
    assert logs.Refusals().filter(record)
    assert bool(record.exc_info) is kept
    assert "refusals" in settings.LOGGING["handlers"]["console"]["filters"]


def test_plain_lines_name_both_in_brackets():
    record = logging.makeLogRecord({"msg": "it broke"})
    with logs.about(RUN):
        logs.Origin().filter(record)
    assert record.origin == f" [run {RUN}]"


def test_requests_are_counted_by_route_not_by_path():
    def count() -> float:
        labels = {"method": "other", "route": "none", "status": "404"}
        return REGISTRY.get_sample_value("vitrine_http_seconds_count", labels) or 0

    before = count()
    for n in range(3):
        Client().generic(f"BREW{n}", f"/nowhere/{n}")
    assert count() == before + 3
