"""Real services for tests, each private to the session: Redis, PostgreSQL, Chromium.

Import the fixtures into a conftest. Where a service is absent its tests are skipped,
and under REQUIRE_SERVICES=1 they fail instead.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest

POSTGRES_BINARIES = "/usr/lib/postgresql/*/bin"


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(true: Callable[[], object], seconds: float = 20, what: str = "") -> None:
    """Return as soon as `true()` holds; fail the test after `seconds`."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds} s for {what or true.__name__}")
        time.sleep(0.02)


def listens(port: int) -> bool:
    """True where something accepts connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def absent(name: str) -> None:
    """Skip the test, or fail it where services are required."""
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(f"{name} is required and not installed")
    pytest.skip(f"{name} is not installed")


def find(*names: str) -> str | None:
    """The path of the first program that exists, also in PostgreSQL's own folders."""
    folders = [str(p) for p in sorted(Path("/").glob(POSTGRES_BINARIES[1:]))]
    path = os.pathsep.join([os.environ["PATH"], *reversed(folders)])
    return next((p for name in names if (p := shutil.which(name, path=path))), None)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Redis of our own, on a free port and without a disk."""
    program = find("redis-server", "valkey-server")
    if program is None:
        absent("Redis")
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "",
         "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    wait_until(lambda: listens(port), what="Redis")
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait(10)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """DATABASE_URL of an empty database in a cluster of our own."""
    with postgres() as url:
        yield url


@contextmanager
def postgres() -> Iterator[str]:
    """The same where there is no pytest."""
    initdb, pg_ctl = find("initdb"), find("pg_ctl")
    if initdb is None or pg_ctl is None:
        absent("PostgreSQL")
    # Not below pytest's folder, which only its owner may enter.
    folder = Path(mkdtemp(prefix="vitrine-postgres-", dir="/tmp"))
    user = owner_of_cluster(folder)
    port = free_port()
    run = {"user": user, "cwd": "/", "check": True, "stdout": subprocess.DEVNULL}
    subprocess.run(
        [initdb, "-D", folder / "data", "-U", "vitrine", "-A", "trust", "-E", "UTF8",
         "--no-sync"], **run,
    )
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    start = [pg_ctl, "-D", folder / "data", "-l", folder / "log", "-w", "-o", options]
    subprocess.run([*start, "start"], **run)
    try:
        yield f"postgres://vitrine@127.0.0.1:{port}/postgres"
    finally:
        stop = [pg_ctl, "-D", folder / "data", "-m", "immediate", "stop"]
        subprocess.run(stop, **run)
        shutil.rmtree(folder)


def owner_of_cluster(folder: Path) -> int:
    """The user id PostgreSQL runs as: it refuses to be root."""
    if os.getuid() != 0:
        return os.getuid()
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody").pw_uid
    os.chown(folder, user, -1)
    return user


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the system's Chromium."""
    program = find("chromium", "chromium-browser", "google-chrome")
    if program is None:
        absent("Chromium")
    return program
