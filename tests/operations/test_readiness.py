"""/readyz tells the parts apart; pages decide the status, runs do not."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from celery import Celery
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

import kb.celery
from kb.operations import metrics, parts, readiness
from kb.runs.models import Run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def well(monkeypatch, tmp_path):
    """An index and a worker are there."""
    (tmp_path / "sentinel.json").write_text("{}")
    found = SimpleNamespace(documents=range(7), folder=tmp_path)
    for module in (readiness, metrics):
        monkeypatch.setattr(module, "live_index", lambda: SimpleNamespace(at_hand=lambda: found))
        monkeypatch.setattr(module, "workers_alive", lambda: 2)


def told(status: int) -> dict:
    answer = Client().get("/readyz")
    assert answer.status_code == status
    assert answer.json()["ready"] is (status == 200)
    return answer.json()["parts"]


def sick(found: dict) -> list[str]:
    return [name for name, part in found.items() if not part["ok"]]


def test_a_site_in_good_health_says_so_part_by_part():
    found = told(200)
    assert list(found) == ["web", "database", "papers", "index", "broker", "worker", "disk"]
    assert sick(found) == []
    assert found["index"]["says"] == "7 places can be found."
    assert found["worker"]["says"] == "2 alive, 0 runs wait."


def refuse(*args: object) -> None:
    raise DatabaseError("FATAL: password of vitrine@10.0.0.7")


def test_without_the_database_no_visitor_is_sent_here_and_nobody_is_told_its_address(monkeypatch):
    monkeypatch.setattr(parts, "MigrationExecutor", refuse)
    found = told(503)
    assert sick(found) == ["database"]
    assert found["database"]["says"] == "The database does not answer, or is not migrated."
    assert "10.0.0.7" not in Client().get("/readyz").content.decode()
    assert Client().get("/healthz").status_code == 200


def test_without_an_index_neither(monkeypatch):
    monkeypatch.setattr(readiness, "live_index", lambda: SimpleNamespace(at_hand=lambda: None))
    assert sick(told(503)) == ["index"]


def test_without_papers_neither(monkeypatch):
    monkeypatch.setattr(readiness, "library", lambda: SimpleNamespace(papers={}))
    assert sick(told(503)) == ["papers"]


def test_without_a_worker_pages_can_be_read_and_it_is_said(monkeypatch):
    monkeypatch.setattr(readiness, "workers_alive", lambda: 0)
    found = told(200)
    assert sick(found) == ["worker"]
    assert found["worker"]["says"] == "No worker is alive; runs wait until one is."


def test_without_a_broker_as_well(monkeypatch):
    monkeypatch.setattr(kb.celery, "app", Celery(broker="redis://127.0.0.1:9/0"))
    assert sick(told(200)) == ["broker"]


def test_on_a_full_disk_pages_can_be_read_and_it_is_said(monkeypatch, settings):
    monkeypatch.setattr(parts.shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    found = told(200)
    assert sick(found) == ["disk"]
    assert found["disk"]["says"].startswith("The disk is almost full")
    assert str(settings.VAR_DIR) not in found["disk"]["says"]


def number(name: str) -> float:
    text = Client().get("/metrics").content.decode()
    return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name} "))


def test_the_numbers_are_those_of_the_rows():
    now = timezone.now()
    for n in range(10):
        Run.objects.create(
            demo="attention", paper="vit", visitor="a", address="a", cache_key=f"{n}", state="done",
            created=now, started=now + timedelta(seconds=n), finished=now + timedelta(seconds=3 * n),
        )
    Run.objects.create(demo="attention", paper="vit", visitor="a", address="a", cache_key="k", created=now - timedelta(minutes=1))
    assert number('vitrine_runs{demo="attention",state="done"}') == 10
    assert number("vitrine_queue_length") == 1
    assert 60 <= number("vitrine_queue_oldest_seconds") < 120
    assert number('vitrine_wait_seconds{demo="attention",quantile="0.5"}') == 4
    assert number('vitrine_wait_seconds{demo="attention",quantile="0.9"}') == 8
    assert number('vitrine_run_seconds{demo="attention",quantile="0.99"}') == 18
    assert number("vitrine_workers_alive") == 2
    assert number("vitrine_index_documents") == 7
    assert number("vitrine_index_bytes") == 2


def test_what_this_process_answered_is_counted_by_route_and_status():
    name = 'vitrine_http_seconds_count{method="GET",route="healthz",status="200"}'
    Client().get("/healthz")
    before = number(name)
    Client().get("/healthz")
    assert number(name) == before + 1
