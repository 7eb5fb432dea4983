"""Pictures are decoded in another process; this is how site and shell talk to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
# Pillow's warnings are about a stranger's file; they would fill the log.
COMMAND = [sys.executable, "-W", "ignore", "-m", "demos.intake.decoder"]
PICTURE, CLIP = b"p", b"c"  # what a message asks for
AT_ONCE = 2  # pictures of one process; together they have twice decoder.MEMORY
WAIT = 10  # seconds for a turn; and for an answer, after decoder.PATIENCE at the latest
MAX_ANSWER = 1 << 16

BROKEN = {
    "code": "undecodable",
    "message": "The picture could not be decoded: it breaks the decoder, or takes more "
    "time or memory than one picture may. Open it in an image program, save it as JPEG "
    "or PNG, and send that; cut a clip shorter or scale it down.",
}


class Busy(Exception):
    """Too many pictures are waiting to be decoded."""


class Sandbox:
    """The decoder process of this process: started when needed, and again when gone."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self.command = command
        self.changing = threading.Lock()
        self.turns = threading.BoundedSemaphore(AT_ONCE)
        self.process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None

    def decode(
        self, source: IO[bytes], target: IO[bytes], clip: bool = False
    ) -> dict[str, str]:
        """Decode the file `source` and write it as PNG to `target`.

        clip: all frames of what moves, instead of its first one alone. Returns code
        and message of what was wrong, or nothing. Raises Busy where too many others
        wait.
        """
        if not self.turns.acquire(timeout=WAIT):
            raise Busy
        try:
            return self.ask(source, target, CLIP if clip else PICTURE)
        finally:
            self.turns.release()

    def ask(
        self, source: IO[bytes], target: IO[bytes], what: bytes
    ) -> dict[str, str]:
        """Hand over both files and wait for the answer."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                files = [source.fileno(), target.fileno(), theirs.fileno()]
                control = self.send(what, files)
            ours.settimeout(WAIT)
            try:
                with ours.makefile("rb") as reply:
                    return json.loads(reply.read(MAX_ANSWER))
            except TimeoutError:  # the child ended long ago: its parent must be stuck
                self.stop(control)
            except (ValueError, OSError):  # it ended without a word
                pass
        return BROKEN

    def send(self, what: bytes, files: list[int]) -> socket.socket:
        """Pass open files to the decoder, by the socket that this returns."""
        control = self.start()
        try:
            socket.send_fds(control, [what], files)
        except OSError:  # it is gone
            self.stop(control)
            control = self.start()
            socket.send_fds(control, [what], files)
        return control

    def start(self) -> socket.socket:
        """The socket to the decoder, which is started where there is none."""
        with self.changing:
            if self.control is None:
                self.control, theirs = socket.socketpair()
                with theirs:
                    self.process = subprocess.Popen(  # noqa: S603  our own command
                        self.command, cwd=ROOT, stdin=theirs.fileno(),
                        stdout=subprocess.DEVNULL, start_new_session=True,
                    )
            return self.control

    def stop(self, control: socket.socket) -> None:
        """End the decoder at this socket and all it works on, once."""
        with self.changing:
            if control is not self.control or self.process is None:
                return
            control.close()
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.control = None


SANDBOX = Sandbox()
