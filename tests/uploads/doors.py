"""The three ways in: the API, the form as a browser sends it, and the shell."""

from __future__ import annotations

import html
import http.client
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.uploads.case import TAKEN
from tests.uploads.forms import FIELDS, Form, part, whole

PAGE = "/papers/mae/run/reconstruction/"
CLIP_PAGE = "/papers/arrow_of_time/run/time_arrow/"
PATIENCE = 20  # seconds until a door counts as hanging
CLOSED = 0  # the status where the server just closes the connection


@dataclass(frozen=True)
class Answer:
    """What a door said. end: TAKEN, or a refusal's code, or the status as text."""

    status: int
    end: str
    seconds: float
    said: str = ""
    run: str = ""


def upload(name: str, data: bytes) -> Form:
    """The form that a browser sends with this file."""
    disposition = f'name="image"; filename="{name}"'.encode()
    return Form(name, lambda fields: whole(fields, part(disposition, data)))


class Client:
    """One address of the site, and what its answers mean."""

    def __init__(self, port: int):
        self.port = port

    def exchange(self, method: str, path: str, form: Form | None, fields: Mapping[str, str] = FIELDS, **headers: str) -> tuple[int, http.client.HTTPMessage, str, float]:
        """Status, headers, text and seconds of one request."""
        body = form.body(fields) if form else b""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        began = time.monotonic()
        link.putrequest(method, path)
        if form:
            link.putheader("Content-Type", form.kind)
            link.putheader("Content-Length", str(len(body) if form.length is None else form.length))
        for name, value in headers.items():
            link.putheader(name, value)
        link.endheaders()
        with suppress(OSError):  # refused, and closed, before its end
            link.send(body)
            if form and form.length is not None:
                link.sock.shutdown(socket.SHUT_WR)
        try:
            answer = link.getresponse()
            found = answer.status, answer.headers, answer.read().decode(errors="replace")
        except (http.client.HTTPException, ConnectionError):
            found = CLOSED, http.client.HTTPMessage(), ""
        link.close()
        return *found, time.monotonic() - began


class Api(Client):
    """POST /api/runs/"""

    def send(self, form: Form, fields: Mapping[str, str] = FIELDS) -> Answer:
        status, _, text, seconds = self.exchange("POST", "/api/runs/", form, fields)
        if status in (200, 201):
            return Answer(status, TAKEN, seconds, run=json.loads(text)["id"])
        with suppress(ValueError, KeyError, TypeError):
            error = json.loads(text)["error"]
            return Answer(status, error["code"], seconds, error["message"])
        return Answer(status, str(status), seconds, text[:200])


class Page(Client):
    """The form of a demo, with its cookies and its hidden fields."""

    def send(self, form: Form, page: str = PAGE) -> Answer:
        _, headers, text, _ = self.exchange("GET", page, None)
        cookies = "; ".join(c.split(";")[0] for c in headers.get_all("Set-Cookie", []))
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)', text)
        assert token, text[:500]
        fields = {"csrfmiddlewaretoken": token[1], "ratio": "0.75", "seed": "0"}
        status, headers, text, seconds = self.exchange("POST", page, form, fields, Cookie=cookies)
        if status == 302:
            return Answer(status, TAKEN, seconds, run=headers["Location"].split("/")[2])
        said = re.search(r'<p class="error" role="alert"[^>]*>(.*?)</p>', text, re.DOTALL)
        return Answer(status, str(status), seconds, html.unescape(said[1]) if said else text[:200])


class Shell:
    """`python -m demos reconstruction FILE`, by a process that has torch at hand."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.uploads.shell"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )

    def send(self, name: str, data: bytes) -> Answer:
        path = self.folder / name
        path.write_bytes(data)
        print(path, file=self.process.stdin, flush=True)
        told = json.loads(self.process.stdout.readline())
        path.unlink()
        end = {0: TAKEN, 1: "refused"}.get(told["code"], f"ended with {told['code']}")
        return Answer(told["code"], end, told["seconds"], told["said"])

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
