"""Services that take a connection and then say nothing: nobody waits for ever."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WAKE = "from uuid import uuid4; from kb.runs.publish import wake_worker; print(wake_worker(uuid4()))"
ASK = """
from django.db import OperationalError
from kb.runs.models import Run
try:
    Run.objects.count()
except OperationalError as error:
    print(type(error).__name__)
"""


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of something that listens and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(20)
        yield listener.getsockname()[1]


def said(var: Path, program: str, **environment: str) -> str:
    """What the site's own process prints; killed where it hangs."""
    env = {**os.environ, "KB_VAR_DIR": str(var), "DJANGO_SETTINGS_MODULE": "kb.settings", **environment}
    started = [sys.executable, "-c", f"import django; django.setup()\n{program}"]
    done = subprocess.run(started, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    return done.stdout.strip() or done.stderr


def test_a_visitor_does_not_wait_for_a_broker_that_hangs(silent, tmp_path):
    assert said(tmp_path, WAKE, CELERY_BROKER_URL=f"redis://127.0.0.1:{silent}/0") == "False"


def test_a_page_does_not_wait_for_a_database_that_hangs(silent, tmp_path):
    assert said(tmp_path, ASK, DATABASE_URL=f"postgres://a@127.0.0.1:{silent}/a") == "OperationalError"
