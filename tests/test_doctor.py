"""`manage.py doctor`: what is wrong, and what to do about it."""

from datetime import timedelta
from io import StringIO

import pytest
from celery import Celery
from django.core.management import CommandError, call_command
from django.utils import timezone

import kb.celery
from kb.operations import parts
from kb.runs.models import Run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_worker(monkeypatch):
    """Whatever else runs on this machine."""
    monkeypatch.setattr(parts, "workers_alive", lambda: 0)


def examined(**options: str) -> str:
    out = StringIO()
    try:
        call_command("doctor", stdout=out, **options)
    except CommandError as error:
        out.write(str(error))
    return out.getvalue()


def test_a_site_in_good_health_is_told_so_part_by_part():
    said = examined()
    assert "BAD" not in said
    for part in ("folder", "database", "papers", "search", "broker", "worker", "weights", "pictures"):
        assert f"ok  {part}" in said


def test_runs_that_nobody_takes_are_noticed():
    Run.objects.create(demo="attention", paper="vit", visitor="a", address="a", cache_key="k", created=timezone.now() - timedelta(hours=1))
    assert "BAD worker    runs wait and nobody takes them; start make run or a worker" in examined()


def test_a_folder_that_cannot_be_written_to_is_named(settings, tmp_path):
    settings.VAR_DIR = tmp_path / "not there"
    assert f"BAD folder    {tmp_path / 'not there'} cannot be written to; set KB_VAR_DIR" in examined()


def test_it_fails_for_scripts_where_something_is_wrong(settings, tmp_path):
    settings.VAR_DIR = tmp_path / "not there"
    with pytest.raises(CommandError, match=r"of 8 parts need attention"):
        call_command("doctor", stdout=StringIO())


def test_workers_that_are_there_are_counted(monkeypatch):
    monkeypatch.setattr(parts, "workers_alive", lambda: 3)
    assert "ok  worker    3 at work" in examined()


def test_an_engine_whose_package_is_missing_is_named(settings):
    settings.SEARCH_ENGINE = "lucene"
    assert "BAD search    search engine 'lucene' is unknown" in examined()


def test_a_broker_that_is_away_is_named_without_its_password(settings, monkeypatch):
    settings.CELERY_BROKER_URL = "redis://:hidden@127.0.0.1:9/0"
    monkeypatch.setattr(kb.celery, "app", Celery(broker=settings.CELERY_BROKER_URL))
    said = examined()
    assert "BAD broker    127.0.0.1:9/0 does not answer" in said
    assert "start it, or correct CELERY_BROKER_URL" in said
    assert "hidden" not in said


def test_a_missing_migration_is_named(monkeypatch):
    monkeypatch.setattr(parts.MigrationExecutor, "migration_plan", lambda *args: ["one"])
    assert "BAD database  migrations are missing; run manage.py migrate" in examined()


def test_an_address_outside_is_looked_at_as_well():
    said = examined(url="http://127.0.0.1:9")
    for look in ("entry", "headers", "visitor", "stream"):
        assert f"BAD {look}" in said
    assert "4 of 12 parts need attention" in said


def test_a_decoder_that_refuses_the_example_is_noticed(monkeypatch):
    monkeypatch.setattr(parts.SANDBOX, "decode", lambda *files: {"message": "It broke."})
    assert "BAD pictures  the example is refused: It broke." in examined()


def test_a_kind_of_picture_that_cannot_be_decoded_is_named(monkeypatch):
    from PIL import features

    monkeypatch.setattr(features, "check", lambda name: name != "webp")
    assert "BAD pictures  Pillow cannot decode WEBP; install its wheel" in examined()
