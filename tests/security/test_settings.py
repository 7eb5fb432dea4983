"""The settings that the README names for the open web, and the secret nobody sets."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {"KB_HTTPS": "true", "KB_HOSTS": "papers.example.org", "KB_PROXIES": "127.0.0.1"}
SHOW = "import sys, kb.settings as s; print(*(getattr(s, name) for name in sys.argv[1:]))"


def run(var: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "KB_VAR_DIR": str(var), **environment}
    return subprocess.run([sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True)


def test_django_finds_nothing_to_warn_of_before_it_goes_on_the_web(tmp_path):
    done = run(tmp_path, "manage.py", "check", "--deploy", "--tag", "security", "--fail-level", "WARNING", **PRODUCTION)
    assert done.returncode == 0, done.stderr


def test_it_does_find_something_without_them(tmp_path):
    done = run(tmp_path, "manage.py", "check", "--deploy", "--tag", "security", "--fail-level", "WARNING")
    assert "SECURE_HSTS_SECONDS" in done.stderr


def test_under_https_cookies_stay_there_and_so_do_browsers(tmp_path):
    names = ("CSRF_COOKIE_SECURE", "SESSION_COOKIE_SECURE", "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "DEBUG")
    assert run(tmp_path, "-c", SHOW, *names, **PRODUCTION).stdout.split() == ["True", "True", "True", "2592000", "False"]


def test_processes_that_start_at_once_agree_on_one_secret(tmp_path):
    env = {**os.environ, "KB_VAR_DIR": str(tmp_path), "SECRET_KEY": ""}
    many = [
        subprocess.Popen([sys.executable, "-c", SHOW, "SECRET_KEY"], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    keys = {process.communicate()[0] for process in many}
    assert len(keys) == 1
    assert len(keys.pop().strip()) >= 50
    file = tmp_path / "secret_key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("secret_key*")] == ["secret_key"]


def test_a_key_that_another_process_made_a_moment_ago_is_taken(monkeypatch, tmp_path):
    """The race itself: the file appears after we looked, and before ours is there."""
    from kb import settings

    monkeypatch.setattr(settings, "VAR_DIR", tmp_path)

    def slow() -> str:
        (tmp_path / "secret_key").write_text("theirs")
        return "ours"

    monkeypatch.setattr(settings, "get_random_secret_key", slow)
    assert settings.own_secret_key() == "theirs"


@pytest.mark.django_db
def test_nobody_can_log_in_because_there_is_nothing_to_log_in_to():
    for address in ("/admin/", "/admin/login/", "/accounts/login/", "/api-auth/login/"):
        assert Client().get(address).status_code == 404


@pytest.mark.django_db
def test_the_visitors_cookie_is_for_the_server_alone(settings):
    settings.SESSION_COOKIE_SECURE = True
    cookie = Client().get("/papers/dino/run/attention/").cookies["visitor"]
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Lax", True)


@pytest.mark.django_db
def test_a_probe_from_inside_by_plain_http_is_not_sent_to_https(settings):
    settings.SECURE_SSL_REDIRECT = True
    client = Client()
    assert [client.get(probe).status_code for probe in ("/healthz", "/metrics")] == [200, 200]
    assert client.get("/papers/")["Location"] == "https://testserver/papers/"


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["..", "../db.sqlite3", "..%2f..%2fdb.sqlite3", "....//secret_key", "/etc/passwd", "sent.png%00.png", "."])
@pytest.mark.parametrize("folder", ["/papers/figures/", "/runs/00000000-0000-0000-0000-000000000000/files/", "/static/", "/static/..%2f..%2f"])
def test_no_name_leads_out_of_a_folder(folder, name):
    assert Client().get(folder + name).status_code in (404, 301)
