"""A body that is too large: words for who sends it, and none of it for the site."""

from __future__ import annotations

import asyncio
import json
import threading
from http.client import HTTPConnection

import uvicorn

from kb.runs import uploads
from kb.runs.uploads import BodyLimit
from tests.services import free_port, wait_until


def ask(chunks: list[bytes], declared: int | None) -> tuple[int, int, int]:
    """Send a body through BodyLimit: the status, how many chunks the site behind it
    got, and how many were left over.
    """
    left, got, sent = list(chunks), [], []

    async def receive() -> dict:
        chunk = left.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(left)}

    async def send_on(message: dict) -> None:
        sent.append(message)

    async def application(scope, receive, send) -> None:
        while True:
            got.append(await receive())

    headers = [] if declared is None else [(b"content-length", b"%d" % declared)]
    scope = {"type": "http", "path": "/api/runs/", "headers": headers}
    asyncio.run(BodyLimit(application, limit=1000)(scope, receive, send_on))
    assert json.loads(sent[1]["body"])["error"]["code"] == "too_large"
    return sent[0]["status"], len(got), len(left)


def test_a_body_that_announces_too_much_never_reaches_the_site():
    assert ask([b"x" * 600] * 9, declared=5400) == (413, 0, 0)


def test_a_body_that_grows_too_large_reaches_the_site_no_further_than_the_cap():
    assert ask([b"x" * 600] * 9, declared=None) == (413, 1, 0)


def test_who_sends_on_for_ever_is_left_after_a_while(monkeypatch):
    async def receive() -> dict:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def site(scope, receive, send) -> None:
        raise AssertionError("nothing of it comes this far")

    async def send_on(message: dict) -> None:
        sent.append(message)

    sent: list[dict] = []
    monkeypatch.setattr(uploads, "LINGER_SECONDS", 0.01)
    scope = {"type": "http", "path": "/papers/", "headers": [(b"content-length", b"5400")]}
    asyncio.run(BodyLimit(site, limit=1000)(scope, receive, send_on))
    assert not sent[-1].get("more_body")


def test_who_sends_far_too_much_reads_the_answer_and_no_reset():
    async def site(scope, receive, send) -> None:
        raise AssertionError("nothing of it comes this far")

    config = uvicorn.Config(BodyLimit(site, limit=1000), port=free_port(), lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    try:
        visitor = HTTPConnection("127.0.0.1", config.port, timeout=60)
        visitor.request("POST", "/papers/", bytes(40_000_000))
        answer = visitor.getresponse()
        assert answer.status == 413
        assert answer.read().decode() == uploads.TOO_LARGE
    finally:
        server.should_exit = True
        thread.join()
