"""docker-compose.yml, checked as far as that goes without an engine."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SETTINGS = (ROOT / "kb" / "settings.py").read_text()


def test_it_runs_what_the_readme_says():
    assert set(COMPOSE["services"]) == {"web", "worker", "redis", "postgres"}


@pytest.mark.parametrize("name", ["web", "worker"])
def test_a_service_of_ours_is_built_from_a_stage_that_exists(name):
    target = COMPOSE["services"][name]["build"]["target"]
    assert re.search(rf"^FROM \S+ AS {target}$", DOCKERFILE, re.M)


@pytest.mark.parametrize("name", ["web", "worker"])
def test_every_variable_it_sets_is_a_setting(name):
    for variable in COMPOSE["services"][name]["environment"]:
        assert f'"{variable}"' in SETTINGS


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_service_that_others_wait_for_says_when_it_is_healthy(name):
    for other, terms in COMPOSE["services"][name].get("depends_on", {}).items():
        service = COMPOSE["services"][other]
        checked = "healthcheck" in service or "HEALTHCHECK" in DOCKERFILE
        assert terms == {"condition": "service_healthy"}
        assert checked


def test_every_volume_in_use_is_declared():
    used = {
        volume.split(":")[0]
        for service in COMPOSE["services"].values()
        for volume in service.get("volumes", [])
    }
    assert used == set(COMPOSE["volumes"])


def test_no_secret_has_a_default():
    text = (ROOT / "docker-compose.yml").read_text()
    for secret in ("SECRET_KEY", "POSTGRES_PASSWORD"):
        assert not re.search(rf"\$\{{{secret}:-", text)
        assert f"${{{secret}:?" in text


def test_the_web_image_installs_no_torch():
    lock = (ROOT / "requirements-site.txt").read_text()
    assert not re.search(r"^(torch|timm|nvidia)", lock, re.M)
    stage = DOCKERFILE.split("FROM site AS worker")[0]
    assert "requirements.txt" not in stage.replace("requirements-site.txt", "")


def test_docker_itself_accepts_it(monkeypatch):
    probe = ["docker", "compose", "version"]
    if not shutil.which("docker") or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("docker compose is not installed here")
    monkeypatch.setenv("SECRET_KEY", "x")
    monkeypatch.setenv("POSTGRES_PASSWORD", "x")
    subprocess.run(["docker", "compose", "config", "--quiet"], cwd=ROOT, check=True)
