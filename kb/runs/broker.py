"""Messages as files in one folder: the embedded queue, for one machine.

Kombu has a transport of this kind, but a reader there can take a file that its writer
has not filled yet, and the worker dies of it. Here a message appears by renaming, and
is taken by renaming, so it is whole, and one worker's alone.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from queue import Empty
from typing import ClassVar
from uuid import uuid4

from kombu import Connection
from kombu.transport import virtual
from kombu.utils.json import dumps, loads

log = logging.getLogger(__name__)


class Channel(virtual.Channel):
    """`<time>-<id>.<queue>` is a message; names with a dot in front are on the way."""

    @property
    def folder(self) -> Path:
        """From `broker_transport_options`."""
        client = self.connection.client
        assert client is not None, "a channel without its connection"
        return Path((client.transport_options or {})["folder"])

    def _put(self, queue: str, message: dict, **kwargs: object) -> None:
        name = f"{time.time_ns():020d}-{uuid4().hex}.{queue}"
        self.folder.mkdir(parents=True, exist_ok=True)  # somebody may have emptied it
        hidden = self.folder / f".{name}"
        hidden.write_text(dumps(message), encoding="utf-8")
        hidden.rename(self.folder / name)

    def _get(self, queue: str, timeout: float | None = None) -> dict:
        for path in self._messages(queue):
            taken = path.with_name(f".{path.name}")
            try:
                path.rename(taken)
            except FileNotFoundError:
                continue  # another worker was faster
            text = taken.read_text(encoding="utf-8", errors="replace")
            taken.unlink()
            try:
                return loads(text)
            except ValueError:
                # A full disk, a hand in the folder: the sweep wakes the run again.
                log.warning("dropped a damaged message: %s", path.name)
        raise Empty

    def _messages(self, queue: str) -> list[Path]:
        """Messages of the queue, oldest first."""
        try:
            names = sorted(os.listdir(self.folder))
        except FileNotFoundError:
            return []  # the next message makes it again, and the sweep sends one
        return [
            self.folder / name for name in names
            if name[0] != "." and name.partition(".")[2] == queue
        ]

    def _size(self, queue: str) -> int:
        return len(self._messages(queue))

    def _purge(self, queue: str) -> int:
        messages = self._messages(queue)
        for path in messages:
            path.unlink(missing_ok=True)
        return len(messages)


class Transport(virtual.Transport):
    """For `CELERY_BROKER_TRANSPORT`."""

    Channel = Channel
    polling_interval = 0.05  # seconds; listing an empty folder takes microseconds
    driver_type = driver_name = "folder"
    default_connection_params: ClassVar[dict] = {}  # there is no host to name
    global_state = virtual.BrokerState()

    def __init__(self, client: Connection, **kwargs: object) -> None:
        super().__init__(client, **kwargs)
        self.state = self.global_state

    def driver_version(self) -> str:
        """Nothing to name: files and renames."""
        return "1"
