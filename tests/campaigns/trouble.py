"""What happens to a site during a campaign: kills, restarts, a broker that vanishes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable

import psutil

from tests.campaigns.ledger import Ledger
from tests.runs.stack import Stack
from tests.services import find, free_port, listens, wait_until

PAUSE = (2.0, 6.0)  # seconds between two troubles


class Redis:
    """A server of our own that can be restarted on its port, and forgets everything."""

    def __init__(self) -> None:
        self.port = free_port()
        self.start()

    @property
    def url(self) -> str:
        """For CELERY_BROKER_URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it listens."""
        program = find("redis-server", "valkey-server")
        assert program, "Redis is not installed"
        self.process = subprocess.Popen(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""],
            stdout=subprocess.DEVNULL, cwd="/tmp",
        )
        wait_until(lambda: listens(self.port), what="Redis")

    def stop(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(10)


class Trouble(threading.Thread):
    """One trouble after the other while visitors act; leaves everything up again."""

    def __init__(
        self, seed: int, site: Stack, ledger: Ledger, redis: Redis | None, workers: int,
    ) -> None:
        super().__init__(name="trouble", daemon=True)
        self.chance = random.Random(f"{seed} trouble")
        self.site, self.ledger, self.redis = site, ledger, redis
        self.over = threading.Event()
        self.web = site.start_web()
        self.workers = [site.start_worker() for _ in range(workers)]

    def run(self) -> None:
        """Make trouble until told that it is over."""
        acts: list[Callable[[], None]] = [
            self.kill_children, self.kill_worker, self.stop_worker, self.kill_web,
            self.lose_messages,
        ]
        coming: list[Callable[[], None]] = []
        while not self.over.wait(self.chance.uniform(*PAUSE)):
            coming = coming or self.chance.sample(acts, len(acts))  # each in its turn
            act = coming.pop()
            self.ledger.trouble(act.__name__.replace("_", " "))
            act()

    def was_enough(self) -> bool:
        """True once each kind has come twice."""
        return min(self.ledger.troubles.values(), default=0) >= 2 and (
            len(self.ledger.troubles) == 5
        )

    def kill_worker(self) -> None:
        """kill -9 of a worker and its children; another takes its place."""
        place = self.chance.randrange(len(self.workers))
        self.site.kill(self.workers[place])
        self.workers[place] = self.site.start_worker()

    def kill_children(self) -> None:
        """kill -9 of every process that does runs; their parents live on."""
        for worker in self.workers:
            for child in psutil.Process(worker.pid).children():
                child.kill()

    def stop_worker(self) -> None:
        """SIGTERM, as at an update."""
        place = self.chance.randrange(len(self.workers))
        self.leave(self.workers[place])
        self.workers[place] = self.site.start_worker()

    def leave(self, worker: subprocess.Popen) -> None:
        """Ask a worker to stop, and be strict about it."""
        worker.send_signal(signal.SIGTERM)
        try:
            worker.wait(20)
        except subprocess.TimeoutExpired:
            self.ledger.fault("a worker that was asked to stop did not within 20 s")
            self.site.kill(worker)

    def kill_web(self) -> None:
        """kill -9 of the web server; it comes back at the same address."""
        self.site.kill(self.web)
        self.web = self.site.start_web()

    def lose_messages(self) -> None:
        """All messages are gone: Redis restarts, or the broker's folder vanishes."""
        if self.redis is None:
            shutil.rmtree(self.site.var / "broker", ignore_errors=True)
        else:
            self.redis.stop()
            time.sleep(self.chance.uniform(0, 1))
            self.redis.start()

    def settle(self) -> list[float]:
        """Stop the workers in order; seconds that each of them took."""
        taken = []
        for worker in self.workers:
            began = time.monotonic()
            self.leave(worker)
            taken.append(time.monotonic() - began)
        return taken


def left_behind(site: Stack) -> list[str]:
    """Processes that work for this site's folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and (
                process.environ().get("KB_VAR_DIR") == str(site.var)
            ):
                found.append(f"process {process.pid}: {' '.join(process.cmdline())}")
        except psutil.Error:
            continue
    return found
