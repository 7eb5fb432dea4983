"""The one command that runs everything, as a stranger would start and stop it."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.services import free_port, wait_until

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    environment = os.environ | {"KB_VAR_DIR": str(tmp_path), "PORT": str(free_port())}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve"], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, start_new_session=True,
    )
    yield process, address(process)
    process.send_signal(signal.SIGINT)  # kill -9 would leave the worker behind
    process.wait(20)


def address(process: subprocess.Popen[str]) -> str:
    for line in process.stdout:
        if found := re.search(r"http://\S+", line):
            return found[0]
    raise AssertionError("it ended without saying where it is")


def test_it_says_where_it_is_once_it_answers(served):
    _, url = served
    with urllib.request.urlopen(url, timeout=5) as page:
        assert b"Vitrine" in page.read()


def test_ctrl_c_stops_the_site_and_its_worker(served):
    process, _ = served
    family = psutil.Process(process.pid)
    wait_until(lambda: len(family.children(recursive=True)) >= 2)
    everyone = [family, *family.children(recursive=True)]
    process.send_signal(signal.SIGINT)
    _, alive = psutil.wait_procs(everyone, timeout=10)
    assert not alive, [p.cmdline() for p in alive]


def test_a_worker_that_dies_is_started_again(served):
    process, _ = served
    family = psutil.Process(process.pid)
    wait_until(lambda: family.children())
    first = family.children()[0]
    first.kill()
    wait_until(lambda: any(c.pid != first.pid and c.is_running() for c in family.children()))
