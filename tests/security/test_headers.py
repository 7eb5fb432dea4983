"""Every answer carries the policy and its companions: pages, errors, files, streams."""

from __future__ import annotations

import asyncio

import pytest
from django.test import AsyncClient, Client
from django.urls import path

from kb import urls as real
from kb.asgi import application
from kb.runs.uploads import MAX_BODY
from tests.security.attacks import dangers
from tests.security.routes import routes

pytestmark = pytest.mark.django_db
NOBODY = "00000000-0000-0000-0000-000000000000"


def broken(request: object) -> None:
    raise RuntimeError("secret detail")


urlpatterns = [*real.urlpatterns, path("broken/", broken)]

ADDRESSES = sorted({
    one.path(**{name: good[0] for name, good in one.captures.items()})
    for one in routes(NOBODY) if ".." not in one.pattern
} | {"/papers/mae/?h=%00", "/papers/none/", "/static/none.css", "/runs/x/", "/compare/?a=x/y&b=z", "//evil.example/papers"})


@pytest.fixture(scope="module")
def client() -> Client:
    return Client(raise_request_exception=False)


def check(answer) -> None:
    """The headers of one answer."""
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert answer.headers["X-Request-ID"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_answer_carries_all_headers_and_a_page_no_inline_code(client, address):
    answer = client.get(address)
    check(answer)
    assert answer.status_code != 500  # 503 is an answer: an index may be in the making
    if answer["Content-Type"].startswith("text/html"):
        assert dangers(answer.content.decode()) == []


@pytest.mark.urls("tests.security.test_headers")
@pytest.mark.parametrize(
    ("address", "status", "headers"),
    [
        ("/broken/", 500, {}),
        ("/", 400, {"Host": "evil.example"}),
        ("/queue/", 405, {}),
    ],
)
def test_an_error_carries_them_too_and_tells_no_inside(client, address, status, headers):
    answer = client.put(address, headers=headers) if status == 405 else client.get(address, headers=headers)
    assert answer.status_code in (status, 403)
    check(answer)
    assert b"secret detail" not in answer.content
    assert b"Traceback" not in answer.content


def test_a_form_without_its_token_is_refused_with_them():
    answer = Client(enforce_csrf_checks=True).post("/papers/dino/run/attention/", {})
    assert answer.status_code == 403
    check(answer)


def test_a_drawing_allows_the_very_style_that_it_brings_and_nothing_else(client):
    policy = client.get("/papers/figures/mae_pipeline.svg")["Content-Security-Policy"]
    assert "style-src 'sha256-" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy


def test_a_stream_carries_them():
    async def asked():
        return await AsyncClient().get("/healthz/stream")

    check(asyncio.run(asked()))


def test_a_body_refused_before_the_site_reads_it_carries_the_policy():
    sent: list[dict] = []

    async def receive() -> dict:
        return {"type": "http.request", "body": b""}

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/papers/mae/run/attention/", "client": ("10.0.0.1", 1),
        "headers": [(b"content-length", str(MAX_BODY + 1).encode())],
    }
    asyncio.run(application(scope, receive, send))
    headers = dict(sent[0]["headers"])
    assert sent[0]["status"] == 413
    assert headers[b"content-security-policy"] == b"default-src 'none'"
    assert headers[b"x-content-type-options"] == b"nosniff"


def test_a_redirect_never_leaves_the_site(client):
    for address in ("//evil.example", "//evil.example/papers", "/papers/MAE/", "/papers//evil.example/", "/compare/?a=/evil.example&b=//evil.example",
                    "/compare/?a=MAE&b=https:evil.example", "/compare/MAE/DINO/", "/concepts/STOP-GRADIENT/", "/queue", "/\\evil.example"):
        answer = client.get(address)
        target = answer.headers.get("Location", "/")
        assert target.startswith("/"), (address, target)
        assert not target.startswith(("//", "/\\")), (address, target)
