"""Thousands of hostile requests to a real server, over every route and method.

    python -m tests.security.fuzz_requests --requests 10000 --seed 1

Prints a table of routes by status and a last line with the totals; ends with 1 where
anything was answered with 5xx (503 apart, which the site says on purpose), with a
traceback, not at all, or left a traceback in the log.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

import django

from tests.runs.stack import Stack, form
from tests.security.routes import Route, routes

RUNS = 40  # there at the start; the requests cancel and delete them one by one
MANY = dict.fromkeys(("KB_RUN_WAITING_PER_VISITOR", "KB_RUN_PER_ADDRESS", "KB_RUN_QUEUE_LIMIT"), str(10**6))
SECONDS = 30  # for one request; the slowest page of a busy machine takes two
MOST_BYTES = 1 << 20  # of an answer, enough for any traceback
METHODS = ("GET", "GET", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
HOSTILE = (
    "", "0", "-1", "9" * 400, "1e999", "NaN", "null", "None", "true", "[]", "{}", "%", "%00", "\0", "\n\r\t",
    "..", "../../etc/passwd", "..\\..\\x", "/etc/passwd", "//evil.example/", "https://evil.example/",
    "javascript:alert(1)", "<script>alert(1)</script>", "'\"><svg onload=alert(1)>", "{{7*7}}", "${7*7}", "{% debug %}",
    "' OR 1=1 --", "\"; DROP TABLE runs_run; --", "a" * 8000, "é" * 300, "🙂" * 100, "\ud800", "\u202e", "%ff%fe", "a/b", "a\\b",
    "\"", "((((", "*", "-", "year:²", "def:", "title:\"", "a AND OR NOT", "(" * 300, "\\", "$$", "**/*", "con", ".", ".git/config",
    "00000000-0000-0000-0000-000000000000", "²", "١٢", "1" * 30, "0x10", "1;2", "a,b", "a b", "+", "&=&", "#",
)
PARAMETERS = (
    "q", "kind", "part", "year", "family", "has", "page", "exact", "demo", "paper", "a", "b", "code", "view", "from", "after",
    "method", "protocol", "dataset", "metric", "verified", "source", "format", "h", "keep", "sort", "tag", "image", "options", "step",
)
HEADERS = (
    "Accept", "Accept-Encoding", "Accept-Language", "Content-Type", "Cookie", "HX-Request", "Host", "Idempotency-Key",
    "If-Modified-Since", "If-None-Match", "Last-Event-ID", "Origin", "Range", "Referer", "X-Forwarded-For",
    "X-Forwarded-Host", "X-Forwarded-Proto", "X-HTTP-Method-Override", "X-Request-ID",
)
TYPES = (
    "application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
    "multipart/form-data; boundary=x", "application/xml", "image/png", "text/html; charset=utf-99", ";;",
)


@dataclass(frozen=True)
class Shot:
    """One request, ready to be sent, and the route that it was made from."""

    route: str
    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def shot(chance: random.Random, route: Route) -> Shot:
    """A request to the route, good in some parts and hostile in others."""
    words = {name: word(chance, good) for name, good in route.captures.items()}
    path = route.path(**{name: quote(value, errors="replace", safe="") for name, value in words.items()})
    asked = {chance.choice(PARAMETERS): word(chance, ("mae", "1")) for _ in range(chance.choice((0, 0, 1, 2, 5)))}
    query = "?" + urlencode(asked, errors="replace") if asked else ""
    headers = {
        name: clean(word(chance, ("application/json", "1", "text/event-stream")))
        for name in chance.sample(HEADERS, chance.choice((0, 0, 1, 3)))
    }
    method = chance.choice(METHODS)
    body = b""
    if method in ("POST", "PUT", "PATCH"):
        kind, body = content(chance, asked)
        headers.setdefault("Content-Type", kind)
    return Shot(route.pattern, method, path + query, headers, body)


def word(chance: random.Random, good: tuple[str, ...]) -> str:
    """A good word as often as a hostile one, sometimes both run together."""
    hostile = chance.choice(HOSTILE)
    if chance.random() < 0.05:
        hostile = "".join(chr(chance.randrange(0x250)) for _ in range(chance.randrange(40)))
    return chance.choice((chance.choice(good), chance.choice(good), hostile, hostile, chance.choice(good) + hostile))


def clean(text: str) -> str:
    """What the client library lets into a header."""
    kept = text.encode("latin-1", "replace").decode("latin-1")
    return "".join(one for one in kept if one.isprintable())[:4000]


def content(chance: random.Random, fields: dict[str, str]) -> tuple[str, bytes]:
    """(content type, body): a good form, a hostile one, JSON, or noise."""
    kind = chance.randrange(5)
    if kind == 0:
        said = {"demo": ("attention", "verify"), "paper": ("vit",), "options": ('{"seed": 1}', "{}")}
        body, boundary = form(**{name: word(chance, good).encode(errors="replace").decode() for name, good in said.items()})
        return boundary, body
    if kind == 1:
        return "application/x-www-form-urlencoded", urlencode(fields, errors="replace").encode()
    if kind == 2:
        return "application/json", json.dumps(fields).encode()
    if kind == 3:
        body, said = form(**dict.fromkeys(fields, "x"))
        return said, body[: chance.randrange(len(body))]
    return chance.choice(TYPES), chance.randbytes(chance.randrange(3000))


def send(shot: Shot, port: int) -> tuple[str, float, str]:
    """(status or what went wrong, seconds, beginning of the answer)."""
    started = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request(shot.method, shot.target, shot.body or None, shot.headers)
        answer = connection.getresponse()
        stream = answer.headers.get("Content-Type", "").startswith("text/event-stream")
        text = answer.readline() if stream else answer.read(MOST_BYTES)
        return str(answer.status), time.monotonic() - started, text.decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__, time.monotonic() - started, str(error)
    finally:
        connection.close()


def fuzz(requests: int, seed: int, stack: Stack) -> tuple[Counter, list[str], float]:
    """Send so many; (route, status) counted, what was wrong, the slowest in seconds."""
    chance = random.Random(seed)
    ways = routes(*(stack.submit(steps) for steps in range(RUNS)))
    shots = [shot(chance, ways[n % len(ways)]) for n in range(requests)]
    counted: Counter[tuple[str, str]] = Counter()
    wrong, slowest = [], 0.0
    with ThreadPoolExecutor(4) as pool:
        for one, (status, seconds, text) in zip(shots, pool.map(lambda s: send(s, stack.port), shots), strict=True):
            counted[one.route, status] += 1
            slowest = max(slowest, seconds)
            # 503 says in words that a part is away, such as an index in the making.
            broke = not status.isdigit() or (status >= "500" and status != "503")
            if broke or "Traceback (most recent" in text:
                wrong.append(f"{status} {one.method} {one.target[:300]} {one.headers} {text[:300]}")
    log = (stack.var / "web.log").read_text(errors="replace")
    if "Traceback" in log:
        wrong.append(log[log.index("Traceback") - 500 :][:3000])
    return counted, wrong, slowest


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder), **MANY)
        stack.run("manage.py", "index")
        stack.start_web()
        try:
            counted, wrong, slowest = fuzz(given.requests, given.seed, stack)
        finally:
            stack.stop()
    for route in sorted({route for route, _ in counted}):
        statuses = {status: n for (one, status), n in sorted(counted.items()) if one == route}
        print(f"{route:50} " + "  ".join(f"{status}: {n}" for status, n in statuses.items()))
    print("\n".join(wrong[:20]))
    print(f"{counted.total()} requests, {len({r for r, _ in counted})} routes, seed {given.seed}: {len(wrong)} wrong, slowest {slowest:.2f} s")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
