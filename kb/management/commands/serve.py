"""Web server and worker together, on one machine, with nothing else installed."""

import os
import signal
import subprocess
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management import BaseCommand, call_command

from kb.runs.workers import PARENT

WORKER = [sys.executable, "-m", "celery", "-A", "kb", "--quiet", "worker",
          "--without-mingle", "--without-gossip", "--loglevel", "warning"]
SHUTDOWN_SECONDS = 4


class Worker:
    """A Celery worker in a process group of its own, started again if it dies."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.process = self.start()
        threading.Thread(target=self.watch, daemon=True).start()

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  our own command, nothing from outside
            WORKER, cwd=settings.BASE_DIR, start_new_session=True,
            env={**os.environ, PARENT: str(os.getpid())},
        )

    def watch(self) -> None:
        while not self.stopping.is_set():
            self.process.wait()
            if not self.stopping.wait(1):
                self.process = self.start()

    def stop(self) -> None:
        """Ask, wait, then insist: a run cut off here is taken up at the next start."""
        self.stopping.set()
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(SHUTDOWN_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


class Server(uvicorn.Server):
    """Says where it is as soon as it answers."""

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets=sockets)
        address = f"http://{self.config.host}:{self.config.port}/"
        print(f"Vitrine is ready: {address}  (Ctrl-C stops it)", flush=True)  # noqa: T201


@contextmanager
def working() -> Iterator[None]:
    worker = Worker()
    try:
        yield
    finally:
        worker.stop()


class Command(BaseCommand):
    """Makes database, static files and index ready, then starts both."""

    help = __doc__
    requires_system_checks = ()  # they render every entry: `manage.py check` does

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=os.environ.get("HOST", "127.0.0.1"))
        parser.add_argument(
            "--port", type=int, default=int(os.environ.get("PORT", "8000"))
        )

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        call_command("migrate", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False,
                     ignore_patterns=["rest_framework"])
        self.stdout.write("Indexing the papers; the first time takes up to a minute.")
        self.stdout.flush()
        call_command("index")
        config = uvicorn.Config(
            "kb.asgi:application", host=host, port=port, lifespan="off",
            log_level="warning", timeout_graceful_shutdown=2,
            proxy_headers=False, server_header=False,  # see kb/asgi.py
        )
        # The server ends by raising the signal once more: SIGTERM too must leave in
        # order, or the worker would be left behind.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt), working():
            Server(config).run()
