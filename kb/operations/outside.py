"""The site as visitors get it, through whatever stands in front of it.

The address is the operator's own word; the site answers `/healthz/stream` with what
it takes the visitor for, then with pieces at an even pace.
"""

from __future__ import annotations

import json
import ssl
import time
from http.client import HTTPResponse
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from kb.operations.parts import Trouble

TIMEOUT = 15  # seconds
STREAM = "/healthz/stream"
PIECES, PAUSE = 5, 0.2
WANTED = {
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
FORGED = "192.0.2.1"  # nobody's: kept for examples


def entry(url: str) -> str:
    """The front page comes, by the scheme and name that were asked for."""
    with fetched(url, "/") as page:
        asked, came = urlsplit(url), urlsplit(page.url)
    if came.scheme != asked.scheme:
        return f"{url} leads on to {came.scheme}; ask for that one"
    return f"{page.status} from {came.netloc}"


def headers(url: str) -> str:
    """What the site says to browsers arrives as it was said."""
    with fetched(url, "/") as page:
        said = {name: page.headers.get(name) or "" for name in WANTED}
        strict = page.headers.get("Strict-Transport-Security")
    lost = [name for name, value in WANTED.items() if value not in said[name]]
    if lost:
        remedy = "let the proxy pass these headers on, and set none of its own"
        raise Trouble(f"{', '.join(lost)} got lost on the way; {remedy}")
    if urlsplit(url).scheme == "https" and not strict:
        raise Trouble("browsers are not told to stay with https; set KB_HTTPS=true")
    return "policy, nosniff and the rest arrive"


def visitor(url: str) -> str:
    """The site sees the visitor and the scheme: not the proxy's, and no made-up one."""
    with fetched(url, STREAM, {"X-Forwarded-For": FORGED}) as answer:
        seen = json.loads(answer.readline().partition(b":")[2])
    address, https = seen["address"], urlsplit(url).scheme == "https"
    added = [hop for hop in seen["hops"] if hop != FORGED]
    if (added or https) and address not in seen["hops"]:  # the site speaks no https
        raise Trouble(
            f"the proxy at {address} is not believed, so all visitors seem to be one; "
            f"let it send X-Forwarded-For, and set KB_PROXIES={address}"
        )
    if address == FORGED and not added:
        remedy = "let the proxy set X-Forwarded-For itself"
        raise Trouble(f"visitors may say that they come from anywhere; {remedy}")
    if https and not seen["secure"]:
        remedy = "let the proxy send X-Forwarded-Proto, and name it in KB_PROXIES"
        raise Trouble(f"the site takes itself for plain http; {remedy}")
    if seen["host"] != urlsplit(url).netloc:
        remedy = "let the proxy pass the Host header on"
        raise Trouble(f"the site hears the name {seen['host']}; {remedy}")
    # Asked from a machine that is a proxy itself, the hop before it counts.
    return f"seen as {added[-1] if address == FORGED else address}"


def stream(url: str) -> str:
    """Progress arrives piece by piece, not all at the end."""
    with fetched(url, STREAM) as answer:
        came = [time.monotonic() for line in answer if line.startswith(b"data")]
    took, expected = came[-1] - came[0], PAUSE * (PIECES - 1)
    if took < expected / 2:
        raise Trouble(
            "progress is held back until its end; switch the proxy's buffering and "
            "compression of text/event-stream off (nginx: proxy_buffering off)"
        )
    return f"{len(came)} pieces over {took:.1f} s"


def fetched(url: str, path: str, said: dict[str, str] | None = None) -> HTTPResponse:
    """The answer, followed through redirects; said: more headers. Raises Trouble."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise Trouble(f"{url} is no address; write https://name")
    # Named like a browser's: some proxies treat streams by what is accepted.
    headers = {"Accept": "text/event-stream, text/html", **(said or {})}
    request = Request(url + path, headers=headers)  # noqa: S310  http and https only
    try:
        return urlopen(request, timeout=TIMEOUT)  # type: ignore[no-any-return]  # noqa: S310
    except HTTPError as error:
        raise Trouble(refusal(url, error)) from error
    except URLError as error:
        if isinstance(error.reason, ssl.SSLError):
            raise Trouble(f"its certificate is no good: {error.reason}") from error
        raise Trouble(f"{url} cannot be reached: {error.reason}") from error


def refusal(url: str, error: HTTPError) -> str:
    """What the status means here, with the remedy."""
    if error.status == 400:
        return f"400: put {urlsplit(url).hostname} into KB_HOSTS"
    if error.status in (301, 302, 307, 308):
        return (
            "it redirects to itself for ever: the proxy must send X-Forwarded-Proto, "
            "and KB_PROXIES must name the proxy"
        )
    if error.status in (502, 503, 504):
        return f"{error.status}: the proxy is there, the site behind it is not"
    return f"{error.status} {error.reason}"


ALL = (entry, headers, visitor, stream)
