"""Runs the shell's command on each path that comes in, every time in a fresh process.

Torch is loaded once, before the processes part: loading is no part of what is measured.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time

from demos import runner  # noqa: F401  loads torch
from demos.__main__ import main


def answer(path: str) -> dict:
    """Exit code, seconds and last words of the command for one file."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as out, tempfile.TemporaryFile("w+") as words:
        child = os.fork()
        if child == 0:
            for stream in (1, 2):
                os.dup2(words.fileno(), stream)
            code = main(["reconstruction", path, "--paper", "mae", "--out", out])
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        words.seek(0)
        said = words.read().strip().splitlines()[-1:]
    code = os.waitstatus_to_exitcode(status)
    return {"code": code, "seconds": time.monotonic() - began, "said": "".join(said)}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(line.rstrip("\n"))), flush=True)  # noqa: T201
