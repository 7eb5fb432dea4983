"""A decoder may crash, hang or grow: it costs one picture, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator

import psutil
import pytest

from demos.intake import sandbox
from demos.intake.sandbox import BROKEN, ROOT, Busy, Sandbox
from tests.services import wait_until

FRAGILE = [sys.executable, "-m", "tests.demos.fragile"]
ALIVE = {"code": "empty", "message": "Still here."}


@pytest.fixture
def box() -> Iterator[Sandbox]:
    made = Sandbox(FRAGILE)
    yield made
    made.stop(made.start())


def told(box: Sandbox, content: str) -> dict[str, str]:
    """What is said of a file with this content."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        source.write(content.encode())
        source.seek(0)
        return box.decode(source, target)


def pid_of(box: Sandbox) -> int:
    assert box.process is not None
    return box.process.pid


@pytest.mark.parametrize("what", ["crash", "compute"])
def test_a_decoder_that_dies_costs_one_picture_and_not_the_next(box, what):
    assert told(box, "hello") == ALIVE
    before = pid_of(box)
    assert told(box, what) == BROKEN
    assert told(box, "hello") == ALIVE
    assert pid_of(box) == before


def test_a_decoder_that_sleeps_is_ended(monkeypatch):
    monkeypatch.setenv("PATIENCE", "1")
    box = Sandbox(FRAGILE)
    assert told(box, "sleep 60") == BROKEN
    box.stop(box.start())


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is void elsewhere")
def test_memory_is_limited(box):
    assert told(box, f"memory {100 << 20}") == ALIVE
    assert told(box, f"memory {1 << 30}") == BROKEN


def test_a_crash_leaves_no_picture_of_the_memory(box):
    assert told(box, "core")["message"] == "[0, 0]"


def test_others_are_served_while_one_hangs(box):
    assert told(box, "hello") == ALIVE
    hanging = threading.Thread(target=told, args=(box, "sleep 60"))
    hanging.start()
    wait_until(lambda: psutil.Process(pid_of(box)).children(), what="the one that hangs")
    assert told(box, "hello") == ALIVE
    assert hanging.is_alive()
    box.stop(box.start())
    hanging.join(20)
    assert not hanging.is_alive()


def test_who_waits_too_long_for_a_turn_is_turned_away(box, monkeypatch):
    monkeypatch.setattr(sandbox, "WAIT", 0)
    for _ in range(sandbox.AT_ONCE):
        box.turns.acquire()
    with pytest.raises(Busy):
        told(box, "hello")
    for _ in range(sandbox.AT_ONCE):
        box.turns.release()
    monkeypatch.setattr(sandbox, "WAIT", 10)
    assert told(box, "hello") == ALIVE


def test_a_decoder_that_is_killed_is_started_again(box):
    assert told(box, "hello") == ALIVE
    killed = pid_of(box)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: psutil.Process(killed).status() == psutil.STATUS_ZOMBIE)
    assert told(box, "hello") == ALIVE
    assert pid_of(box) != killed
    assert not psutil.pid_exists(killed)


def test_a_decoder_that_is_stuck_is_replaced(box, monkeypatch):
    assert told(box, "hello") == ALIVE
    stuck = pid_of(box)
    os.kill(stuck, signal.SIGSTOP)
    monkeypatch.setattr(sandbox, "WAIT", 0.2)
    assert told(box, "hello") == BROKEN
    monkeypatch.setattr(sandbox, "WAIT", 10)
    assert told(box, "hello") == ALIVE
    assert not psutil.pid_exists(stuck)


def test_no_file_stays_open(box):
    def opened() -> list[int]:
        return [psutil.Process(pid).num_fds() for pid in (os.getpid(), pid_of(box))]

    told(box, "crash")
    before = opened()
    for content in ["hello", "crash"] * 10:
        told(box, content)
    assert opened() == before


SITE = """
import tempfile, threading
from tests.demos.test_sandbox import FRAGILE, Sandbox, told
box = Sandbox(FRAGILE)
told(box, "hello")
threading.Thread(target=told, args=(box, "sleep 60")).start()
print(box.process.pid, flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_site_that_is_killed_leaves_no_decoder_behind(how):
    site = subprocess.Popen(
        [sys.executable, "-c", SITE], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PATIENCE": "600"},
    )
    decoder = psutil.Process(int(site.stdout.readline()))
    wait_until(decoder.children, what="a picture that takes long")
    family = [decoder, *decoder.children()]
    site.send_signal(how)
    site.wait(10)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
