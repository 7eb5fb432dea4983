"""The site as real processes: web server, worker, database and broker in one folder."""

from __future__ import annotations

import http.client
import io
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from tests.services import free_port, listens, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
FAKE_DEMOS = Path(__file__).resolve().parent / "worker_site"
FINAL = ("done", "failed", "cancelled", "expired")


class Stack:
    """Start and kill the site's processes, and talk to it as a client does."""

    def __init__(self, var: Path, **environment: str):
        self.var, self.port = var, free_port()
        paths = [str(FAKE_DEMOS), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.env = {
            **os.environ, "KB_VAR_DIR": str(var), "OMP_NUM_THREADS": "1",
            "KB_RUN_HEARTBEAT_SECONDS": "2",
            "PYTHONPATH": os.pathsep.join(paths), **environment,
        }
        self.processes: list[subprocess.Popen] = []
        self.run("manage.py", "migrate", "--skip-checks", "-v0")

    def run(self, *arguments: str) -> None:
        """Run a Python program of the repository to its end."""
        subprocess.run([sys.executable, *arguments], cwd=ROOT, env=self.env, check=True)

    def start(self, *arguments: str, log: str, **more: str) -> subprocess.Popen:
        """Start a Python module in a process group of its own.

        more: environment variables for it alone.
        """
        with (self.var / log).open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments], cwd=ROOT, env=self.env | more,
                stdout=output, stderr=output, start_new_session=True,
            )
        self.processes.append(process)
        return process

    def start_web(self) -> subprocess.Popen:
        """Start the web server and wait until it answers."""
        server = self.start(
            "uvicorn", "kb.asgi:application", "--port", str(self.port),
            "--log-level", "warning", log="web.log",
        )
        wait_until(lambda: listens(self.port), 60, "the web server")
        return server

    def start_worker(self, real: bool = False) -> subprocess.Popen:
        """Start a worker as the site does.

        real: with the demos themselves, not with those that only count.
        """
        more = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")} if real else {}
        return self.start(
            "celery", "-A", "kb", "worker", "--without-mingle", "--without-gossip",
            "-n", f"{secrets.token_hex(3)}@test", log="worker.log", **more,
        )

    def kill(self, process: subprocess.Popen) -> None:
        """kill -9 of the process and all its children."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def stop(self) -> None:
        """End whatever still runs."""
        for process in self.processes:
            if process.poll() is None:
                self.kill(process)

    def call(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple:
        """One request: status and parsed JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body or None, named)
        response = connection.getresponse()
        raw = response.read()
        connection.close()
        return response.status, json.loads(raw or b"null")

    def submit(self, steps: int, **headers: str) -> str:
        """Submit a run of so many steps; its id."""
        body, kind = form(
            demo="reconstruction", paper="mae", options=json.dumps({"seed": steps})
        )
        status, answer = self.call(
            "POST", "/api/runs/", body, Content_Type=kind, **headers
        )
        assert status in (200, 201), answer
        return answer["id"]

    def look(self, run_id: str) -> dict:
        """The run as the API shows it."""
        return self.call("GET", f"/api/runs/{run_id}/")[1]

    def wait_for(self, run_id: str, *states: str, seconds: float = 30) -> dict:
        """Wait until the run is in one of these states."""
        wait_until(
            lambda: self.look(run_id)["state"] in states, seconds,
            f"{states}, log:\n{self.log()}",
        )
        return self.look(run_id)

    def log(self) -> str:
        """The end of the worker's log."""
        file = self.var / "worker.log"
        return file.read_text()[-3000:] if file.exists() else ""

    def stream(self, run_id: str, after: int = 0) -> Iterator[tuple[float, dict]]:
        """Server-sent events with the time each arrived."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Accept": "text/event-stream", "Accept-Encoding": "gzip"}
        if after:
            headers["Last-Event-ID"] = str(after)
        connection.request("GET", f"/runs/{run_id}/events", headers=headers)
        response = connection.getresponse()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        event: dict = {}
        while line := response.readline().decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if line == "\n" and "event" in event:
                yield time.monotonic(), event
            event = {} if line == "\n" else {**event, name: value}
        connection.close()


def form(
    colour: tuple[int, int, int] = (10, 200, 30), **fields: str
) -> tuple[bytes, str]:
    """A multipart form with these fields and a picture; body and content type."""
    boundary = secrets.token_hex(8)
    file = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(file, "PNG")
    lines = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    picture = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="image"; '
        'filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    )
    body = "".join(lines).encode() + picture.encode() + file.getvalue()
    body += f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"
