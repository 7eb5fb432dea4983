"""The process that decodes what strangers send, so that nobody else has to.

`python -m demos.intake.decoder` is started by the sandbox beside it, with one end of a
socket pair as its standard input. For each picture it forks a child, which is limited
in memory and time and ends with its picture; a file that breaks a decoder breaks one
child. When who started it ends, in whatever way, the socket closes and all of it ends.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from typing import NoReturn

# Before NumPy is imported: its threads would be lost in a fork.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from demos.intake.frames import decode_frames
from demos.intake.images import ImageError, decode
from demos.intake.packing import write
from demos.intake.sandbox import CLIP

SECONDS = 3  # of computing for one picture; the slowest of 56 megapixels take two
CLIP_SECONDS = 4  # for one clip; see sampling.MOST_WORK
PATIENCE = 8  # seconds until it is ended in any case: a busy machine takes longer
MEMORY = 1 << 30  # bytes of address space; 60 megapixels in four channels take half
RESULT = 8 << 20  # bytes; images.WORKING_PIXELS are three million
MEMORY_IS_LIMITED = sys.platform == "linux"  # elsewhere the limit exists and is void


def serve(control: socket.socket) -> None:
    """Fork a child for each message, until the socket closes.

    A message is one byte, which says what is wanted, and three open files: to read, to
    write, to answer on.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended children vanish by themselves
    while True:
        byte, files, _, _ = socket.recv_fds(control, 1, 3)
        if not byte:
            return
        if os.fork() == 0:
            work(byte == CLIP, *files)
        for file in files:
            os.close(file)


def work(clip: bool, source: int, target: int, answer: int) -> NoReturn:
    """Decode one picture, say how it went, and end this process."""
    limit(CLIP_SECONDS if clip else SECONDS)
    with os.fdopen(answer, "w") as reply:
        json.dump(converted(clip, source, target), reply)
        reply.flush()
        # Without the interpreter's own ending: there is nothing to clear up.
        os._exit(0)


def limit(seconds: int) -> None:
    """Let the system end this process before it takes too much.

    seconds: of computing.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.alarm(PATIENCE)
    limits = {
        resource.RLIMIT_CPU: seconds, resource.RLIMIT_FSIZE: RESULT,
        resource.RLIMIT_CORE: 0, resource.RLIMIT_AS: MEMORY,
    }
    for which, most in limits.items():
        with suppress(ValueError, OSError):  # a limit that this system does not know
            resource.setrlimit(which, (most, most))


def converted(clip: bool, source: int, target: int) -> dict[str, str]:
    """Write the picture, or a clip's frames, as PNG; what was wrong, or nothing."""
    try:
        with os.fdopen(source, "rb") as file:
            frames = decode_frames(file) if clip else [decode(file)]
    except ImageError as error:
        return {"code": error.code, "message": error.message}
    try:
        with os.fdopen(target, "wb") as file:
            write(frames, file)
    except OSError:
        return {"code": "no_room", "message": "There is no room for pictures just now."}
    return {}


if __name__ == "__main__":
    serve(socket.socket(fileno=0))
    os.killpg(0, signal.SIGKILL)  # nobody waits any longer for those who still decode
