"""A back-up is made of a site with runs and restored into an empty one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.services import postgres_server  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
FILL = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
import json, sys, uuid
from pathlib import Path
from django.conf import settings
from django.utils import timezone
from kb.runs.models import Run

def run(state, **more):
    one = Run(demo="attention", paper="vit", visitor="a", address="a", state=state,
        cache_key=str(uuid.uuid4()), images=["sent.png"], attempt=uuid.uuid4(), **more)
    one.out.mkdir(parents=True)
    (one.folder / "sent.png").write_bytes(b"sent")
    (one.out / "map.png").write_bytes(b"map")
    one.save()
    return str(one.pk)

now = timezone.now()
result = {"artifacts": [{"name": "map", "file": "map.png", "kind": "image"}]}
done = run("done", result=result, started=now, finished=now)
print(json.dumps([done, run("queued"), run("running", heartbeat=now)]))
"""
BUSY = FILL.rpartition("now =")[0] + """
import select
made = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    result = {"artifacts": [{"name": "map", "file": "map.png", "kind": "image"}]}
    run("done", result=result, finished=timezone.now())
    made += 1
    if made == 1:
        print("begun", flush=True)
print(made)
"""
LOOK = """
import json
from kb.runs.files import listed
from kb.runs.models import Run
print(json.dumps({str(r.pk): [r.state, *(p.read_text() for p in listed(r))] for r in Run.objects.all()}))
"""


class Site:
    """One KB_VAR_DIR and database, used through manage.py alone."""

    def __init__(self, var: Path, database: str = ""):
        self.var = var
        self.env = os.environ | {"KB_VAR_DIR": str(var)}
        if database:
            self.env["DATABASE_URL"] = database

    def manage(self, *arguments: str, fails: bool = False) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.env,
            capture_output=True, text=True,
        )
        assert bool(done.returncode) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout.strip().splitlines()[-1]

    def filled(self) -> list[str]:
        """Put a done, a waiting and a working run there; their ids."""
        return json.loads(self.manage("shell", "--verbosity=0", "-c", FILL))

    def runs(self) -> dict[str, list[str]]:
        """Id -> state and contents of its files."""
        return json.loads(self.manage("shell", "--verbosity=0", "-c", LOOK))


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Site]:
    """Make a site of a name, each with a folder and a database of its own."""

    def make(name: str) -> Site:
        if request.param == "sqlite":
            return Site(tmp_path / name)
        server = request.getfixturevalue("postgres_server")
        database = f"{tmp_path.name}_{name}".replace("-", "_")
        with psycopg.connect(server, autocommit=True) as link:
            link.execute(f'CREATE DATABASE "{database}"')
        return Site(tmp_path / name, server.rpartition("/")[0] + "/" + database)

    return make


def test_a_finished_run_a_waiting_and_a_working_one_come_back_with_their_files(
    site, tmp_path
):
    old, new, file = site("old"), site("new"), tmp_path / "all.tar.gz"
    done, waiting, working = old.filled()
    assert "3 runs" in old.manage("backup", str(file))
    assert "3 runs" in new.manage("restore", str(file))
    assert new.runs() == {
        done: ["done", "sent", "map"],
        waiting: ["queued", "sent"],
        working: ["running", "sent"],
    }
    assert (new.var / "secret_key").read_text() == (old.var / "secret_key").read_text()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Path, str]:
    """A site on SQLite, the back-up of it, and which run is done."""
    folder = tmp_path_factory.mktemp("small")
    one, file = Site(folder / "old"), folder / "all.tar.gz"
    done, *_ = one.filled()
    one.manage("backup", str(file))
    return one, file, done


def test_a_back_up_is_for_its_owner_alone(small):
    assert small[1].stat().st_mode & 0o777 == 0o600


def test_nothing_is_replaced_unless_it_is_said(small):
    old, file, _ = small
    whole, there = file.read_bytes(), old.runs()
    assert "--force replaces it" in old.manage("backup", str(file), fails=True)
    assert file.read_bytes() == whole
    assert "runs here already" in old.manage("restore", str(file), fails=True)
    for path in (old.var / "runs").rglob("map.png"):
        path.write_text("changed")
    old.manage("restore", "--force", str(file))
    assert old.runs() == there


def test_half_a_back_up_is_refused_and_nothing_is_changed(small, tmp_path):
    half, (old, file, _) = tmp_path / "half.tar.gz", small
    half.write_bytes(file.read_bytes()[:-200])
    before = (old.var / "db.sqlite3").read_bytes()
    assert "no whole back-up" in old.manage("restore", "--force", str(half), fails=True)
    assert (old.var / "db.sqlite3").read_bytes() == before


def test_a_back_up_that_reaches_outside_is_refused(small, tmp_path):
    evil, new = tmp_path / "evil.tar.gz", Site(tmp_path / "new")
    with tarfile.open(evil, "w:gz") as archive:
        archive.add(small[1], "../../escaped")
    assert "no whole back-up" in new.manage("restore", str(evil), fails=True)
    assert not list(tmp_path.rglob("escaped"))


def test_a_run_that_was_deleted_meanwhile_does_not_come_back_without_files(
    small, tmp_path
):
    _, file, done = small
    lost, new = tmp_path / "lost.tar.gz", Site(tmp_path / "new")
    with tarfile.open(file) as whole, tarfile.open(lost, "w:gz") as less:
        for member in whole:
            if done not in member.name:
                less.addfile(member, whole.extractfile(member))
    assert "1 had been deleted meanwhile" in new.manage("restore", str(lost))
    found = new.runs()
    assert done not in found
    assert len(found) == 2


def test_what_is_written_meanwhile_is_there_whole_or_not_at_all(tmp_path):
    """A worker goes on making runs, files first and the row last, as it always does."""
    old, new, file = Site(tmp_path / "old"), Site(tmp_path / "new"), tmp_path / "all.tar.gz"
    before = old.filled()
    busy = subprocess.Popen(
        [sys.executable, "manage.py", "shell", "--verbosity=0", "-c", BUSY], cwd=ROOT, env=old.env,
        stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True,
    )
    busy.stdout.readline()  # it has begun
    old.manage("backup", str(file))
    during = int(busy.communicate("stop\n")[0])
    new.manage("restore", str(file))
    found = new.runs()
    assert set(before) <= set(found)
    assert 3 < len(found) <= 3 + during
    assert all(said[-1] == "map" for said in found.values() if said[0] == "done")


def test_a_file_that_has_just_been_deleted_breaks_nothing(tmp_path):
    from kb.operations import backup

    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        assert not backup.add(archive, "runs/x", tmp_path / "gone")
