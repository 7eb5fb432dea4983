"""Who asks: the nearest hop that no trusted proxy is, and never a made-up one."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import RequestFactory

import kb.asgi
from kb.gate.address import is_own_machine, neighbourhood
from kb.runs.visitors import visitor_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def asked(settings):
    """What the site takes the asker for, under KB_PROXIES=127.0.0.1,10.0.0.0/8."""
    settings.PROXIES = ["127.0.0.1/32", "10.0.0.0/8"]
    application = importlib.reload(kb.asgi).application

    def ask(peer: str, **headers: str) -> dict:
        sent: list[bytes] = []
        scope = {
            "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": "/healthz/stream", "query_string": b"", "client": (peer, 5000),
            "server": ("localhost", 80), "headers": [(b"host", b"localhost")] + [
                (name.replace("_", "-").lower().encode(), value.encode())
                for name, value in headers.items()
            ],
        }

        async def receive() -> dict:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict) -> None:
            sent.append(message.get("body", b""))

        async def call() -> None:
            running = asyncio.create_task(application(scope, receive, send))
            while not any(sent):
                await asyncio.sleep(0.001)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        asyncio.run(call())
        return json.loads(next(filter(None, sent)).removeprefix(b"data: "))

    yield ask
    settings.PROXIES = []
    importlib.reload(kb.asgi)


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", "6.6.6.6", "203.0.113.9"),  # not a proxy: its word counts for nothing
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),  # the left one is made up
        ("127.0.0.1", "6.6.6.6, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("10.1.2.3", "2001:db8::7", "2001:db8::7"),
    ],
)
def test_the_client_is_the_nearest_hop_that_is_no_proxy_of_ours(asked, peer, forwarded, address):
    assert asked(peer, X_Forwarded_For=forwarded)["address"] == address


def test_https_is_believed_of_a_named_proxy_alone(asked):
    assert asked("127.0.0.1", X_Forwarded_Proto="https")["secure"]
    assert not asked("203.0.113.9", X_Forwarded_Proto="https")["secure"]


def test_a_forwarded_host_is_never_believed(asked):
    assert asked("127.0.0.1", X_Forwarded_Host="evil.example")["host"] == "localhost"


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_of_ipv6_a_whole_network_counts_as_one_address(address, place):
    assert neighbourhood(address) == place


def test_a_visitor_without_cookie_is_the_same_from_anywhere_in_its_network():
    def seen(address: str) -> str:
        return visitor_of(RequestFactory().get("/", REMOTE_ADDR=address)).address

    assert seen("2001:db8:1:2::1") == seen("2001:db8:1:2:ffff::9")
    assert seen("2001:db8:1:2::1") != seen("2001:db8:1:3::1")
    assert seen("203.0.113.9") != seen("203.0.113.8")


@pytest.mark.parametrize(("address", "own"), [("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("", False)])
def test_the_own_machine_is_the_loopback(address, own):
    assert is_own_machine(address) is own


def test_a_proxy_named_by_something_else_than_its_address_is_refused_at_the_start(tmp_path):
    env = os.environ | {"KB_PROXIES": "nginx", "KB_VAR_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", "import kb.settings"], cwd=ROOT, env=env, capture_output=True, text=True)
    assert "KB_PROXIES: 'nginx' does not appear to be an IPv4 or IPv6 network; name addresses" in done.stderr
