"""`make audit`: a vulnerability fails, and not having looked is not called clean."""

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CLEAN = {"name": "django", "version": "5.2.0", "vulns": []}
BAD = {"name": "django", "version": "5.2.0", "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["5.2.1"]}]}
SKIPPED = {"name": "vitrine", "skip_reason": "Dependency not found on PyPI"}


@pytest.fixture
def audited(tmp_path):
    """What .ci/audit.py makes of a pip-audit that answers so: (status, words)."""

    def audit(said: object, status: int, stderr: str = "") -> tuple[int, str]:
        fake = tmp_path / "pip-audit"
        text = json.dumps({"dependencies": said}) if said is not None else ""
        fake.write_text(f"#!{sys.executable}\nimport sys\nprint({text!r})\nsys.stderr.write({stderr!r})\nsys.exit({status})\n")
        fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
        done = subprocess.run([sys.executable, ".ci/audit.py", fake], cwd=ROOT, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return audit


def test_a_known_vulnerability_fails_and_is_named_with_its_remedy(audited):
    status, said = audited([CLEAN, BAD, SKIPPED], 1)
    assert status == 1
    assert "django 5.2.0: PYSEC-2026-1, fixed in 5.2.1" in said


def test_no_known_vulnerability_passes_and_says_how_many_were_looked_at(audited):
    status, said = audited([CLEAN, CLEAN, SKIPPED], 0)
    assert status == 0
    assert "2 packages audited, 1 not in the database, 0 known" in said


def test_a_mirror_that_knows_nothing_is_not_a_clean_bill(audited):
    status, said = audited([SKIPPED, SKIPPED], 0)
    assert status == 0
    assert "NOT AUDITED: the advisory database was not reached" in said


@pytest.mark.parametrize(
    "error",
    ["ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed", "requests.exceptions.ConnectionError: HTTPSConnectionPool: Max retries exceeded"],
)
def test_without_internet_it_says_so_and_goes_on(audited, error):
    status, said = audited(None, 1, error)
    assert status == 0
    assert "NOT AUDITED" in said
    assert error in said


def test_a_lock_that_cannot_be_read_fails(audited):
    status, said = audited(None, 1, "ERROR:pip_audit._cli:requirement django is not pinned")
    assert status == 1
    assert "is not pinned" in said


def test_the_lock_that_is_audited_holds_the_others():
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^([\w.-]+==[^\s;\\]+)", (ROOT / name).read_text(), re.M))

    assert pins("requirements-site.txt") <= pins("requirements.txt") <= pins("requirements-dev.txt")
    assert pins("requirements-site.txt")
