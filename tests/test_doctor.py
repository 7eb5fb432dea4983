"""`manage.py doctor`: what is wrong, and what to do about it."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from kb.runs.models import Run

pytestmark = pytest.mark.django_db


def examined() -> str:
    out = StringIO()
    try:
        call_command("doctor", stdout=out)
    except CommandError as error:
        out.write(str(error))
    return out.getvalue()


def test_a_site_in_good_health_is_told_so_part_by_part():
    said = examined()
    assert "BAD" not in said
    for part in ("folder", "database", "papers", "search", "broker", "worker", "weights"):
        assert f"ok  {part}" in said


def test_runs_that_nobody_takes_are_noticed():
    Run.objects.create(demo="attention", paper="vit", visitor="a", address="a", cache_key="k", created=timezone.now() - timedelta(hours=1))
    assert "BAD worker    runs wait and nobody takes them; start make run or a worker" in examined()


def test_a_folder_that_cannot_be_written_to_is_named(settings, tmp_path):
    settings.VAR_DIR = tmp_path / "not there"
    assert f"BAD folder    {tmp_path / 'not there'} cannot be written to; set KB_VAR_DIR" in examined()


def test_it_fails_for_scripts_where_something_is_wrong(settings, tmp_path):
    settings.VAR_DIR = tmp_path / "not there"
    with pytest.raises(CommandError, match=r"of 7 parts need attention"):
        call_command("doctor", stdout=StringIO())
