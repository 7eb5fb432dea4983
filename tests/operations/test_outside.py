"""`manage.py doctor --url`: the site as it comes through what stands in front of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import uvicorn
from django.core.asgi import get_asgi_application
from django.test import override_settings
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from kb.operations import outside
from kb.operations.parts import Trouble
from tests.services import free_port, wait_until


@pytest.fixture(scope="module")
def served() -> Iterator[Callable[..., str]]:
    """Serve the site as it is under KB_PROXIES; its address."""
    servers: list[uvicorn.Server] = []

    def serve(*proxies: str) -> str:
        application = ProxyHeadersMiddleware(get_asgi_application(), trusted_hosts=list(proxies))
        config = uvicorn.Config(application, port=free_port(), lifespan="off", log_level="error", proxy_headers=False)
        server = uvicorn.Server(config)
        threading.Thread(target=server.run, daemon=True).start()
        wait_until(lambda: server.started)
        servers.append(server)
        return f"http://127.0.0.1:{config.port}"

    yield serve
    for server in servers:
        server.should_exit = True


@pytest.fixture
def proxied() -> Iterator[Callable[..., str]]:
    """A proxy of the careless kind: it reads an answer whole before it passes it on."""
    proxies: list[ThreadingHTTPServer] = []

    def put_before(site: str, *, drop: str = "", **sent: str) -> str:
        class Proxy(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                behind = HTTPConnection(site.removeprefix("http://"))
                named = {name.replace("_", "-"): value for name, value in sent.items()}
                behind.request("GET", self.path, headers={"Host": self.headers["Host"], **named})
                answer = behind.getresponse()
                body = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in (drop, "transfer-encoding"):
                        # It stands for one that speaks https outside.
                        self.send_header(name, value.replace("https://", "http://"))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        proxies.append(proxy)
        return f"http://127.0.0.1:{proxy.server_port}"

    yield put_before
    for proxy in proxies:
        proxy.shutdown()
        proxy.server_close()


def test_a_site_without_anything_before_it_is_well(served):
    url = served()
    assert outside.entry(url) == f"200 from {url.removeprefix('http://')}"
    assert outside.headers(url)
    assert outside.visitor(url) == "seen as 127.0.0.1"
    assert outside.stream(url).startswith("5 pieces over ")


def test_a_proxy_that_holds_progress_back_is_told_how_not_to(served, proxied):
    with pytest.raises(Trouble, match=r"held back until its end; .*proxy_buffering off"):
        outside.stream(proxied(served()))


def test_a_proxy_that_is_not_named_is_named(served, proxied):
    url = proxied(served(), X_Forwarded_For="203.0.113.9")
    with pytest.raises(Trouble, match=r"not believed.* set KB_PROXIES=127\.0\.0\.1$"):
        outside.visitor(url)


def test_a_named_proxy_is_believed(served, proxied):
    url = proxied(served("127.0.0.1"), X_Forwarded_For="203.0.113.9")
    assert outside.visitor(url) == "seen as 203.0.113.9"


def test_a_proxy_that_hands_on_what_anybody_says_is_noticed(served, proxied):
    url = proxied(served("127.0.0.1"), X_Forwarded_For=outside.FORGED)
    with pytest.raises(Trouble, match="come from anywhere; let the proxy set X-Forwarded-For itself"):
        outside.visitor(url)


def test_asked_from_the_machine_of_a_good_proxy_all_is_well(served, proxied):
    url = proxied(served("127.0.0.1"), X_Forwarded_For=f"{outside.FORGED}, 127.0.0.1")
    assert outside.visitor(url) == "seen as 127.0.0.1"


def test_a_name_that_the_site_does_not_answer_to_is_named(served, proxied):
    url = proxied(served(), Host="papers.example.org")
    with pytest.raises(Trouble, match=r"400: put 127\.0\.0\.1 into KB_HOSTS"):
        outside.entry(url)
    with override_settings(ALLOWED_HOSTS=["*"]), pytest.raises(Trouble, match=r"hears the name papers\.example\.org; let the proxy pass the Host"):
        outside.visitor(url)


def test_headers_that_get_lost_are_named(served, proxied):
    with pytest.raises(Trouble, match=r"^Content-Security-Policy got lost on the way"):
        outside.headers(proxied(served(), drop="content-security-policy"))


def test_a_redirect_in_a_circle_is_explained(served, proxied):
    with override_settings(SECURE_SSL_REDIRECT=True):
        url = proxied(served())
        with pytest.raises(Trouble, match="redirects to itself for ever: the proxy must send X-Forwarded-Proto"):
            outside.entry(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [("ftp://example.org", "is no address"), ("papers.example.org", "is no address"), ("http://127.0.0.1:9", "cannot be reached")],
)
def test_an_address_that_leads_nowhere_is_said_to(url, said):
    with pytest.raises(Trouble, match=said):
        outside.entry(url)


def test_https_that_does_not_speak_it_is_a_certificate_or_a_connection(served):
    with pytest.raises(Trouble, match=r"certificate is no good|cannot be reached"):
        outside.entry(served().replace("http:", "https:"))

