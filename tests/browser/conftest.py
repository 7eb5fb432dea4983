"""The whole site, served as a stranger would serve it, and a real browser before it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.services import chromium, free_port  # noqa: F401  a fixture

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "var" / "screenshots"
expect.set_options(timeout=30_000)  # a busy machine: only what never comes is a fault
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
VIEWPORTS = {360: {"width": 360, "height": 740}, 1440: {"width": 1440, "height": 900}}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[str]:  # noqa: F811
    """Address of `manage.py serve` with its own worker and an empty folder."""
    environment = os.environ | {
        "KB_VAR_DIR": str(tmp_path_factory.mktemp("site")), "PORT": str(free_port()),
    }
    server = subprocess.Popen(
        [sys.executable, "manage.py", "serve"], cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, start_new_session=True,
    )
    ready = (re.search(r"(http://\S+?)/\s", line) for line in server.stdout)
    yield next(found[1] for found in ready if found)
    server.send_signal(signal.SIGINT)
    server.wait(20)


# Not for the session: Playwright keeps an event loop running in this thread, and Django
# refuses the database to tests that come after.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:  # noqa: F811
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser, site: str) -> Iterator[Callable[..., Page]]:
    """visit(width, dark=…, scripts=…) opens an empty page; its faults fail the test."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def start(width: int = 1440, *, dark: bool = False, scripts: bool = True) -> Page:
        context = browser.new_context(
            viewport=VIEWPORTS[width], java_script_enabled=scripts, base_url=site,
            color_scheme="dark" if dark else "light", reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(f"script: {error}"))
        page.on("console", lambda m: m.type == "error" and faults.append(m.text))
        page.on("request", lambda r: faults.append(r.url) if foreign(r.url, site) else None)
        return page

    yield start
    for context in contexts:
        context.close()
    assert not faults, faults


def foreign(url: str, site: str) -> bool:
    """Anything but our own address, and pictures the page made itself."""
    return not url.startswith((site, "blob:", "data:"))


@pytest.fixture
def shoot(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """Keeps a screenshot under var/screenshots for people to look at."""
    SHOTS.mkdir(parents=True, exist_ok=True)

    def save(page: Page, name: str, full: bool = False) -> None:
        page.screenshot(path=SHOTS / f"{name}.png", full_page=full)

    return save
